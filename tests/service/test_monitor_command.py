"""`surefoot monitor`, `evaluate` and `next-labels` on traffic that a certified profile served."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from surefoot.policies.outcomes import Outcome
from surefoot.policies.profile import load_profile, save_profile
from surefoot.policies.score_summaries import scores_of_profile

from .doors import Done, Here
from .logs import World, certified_at, logged, questions, write
from .test_documents import check_shape

ALPHA = 0.15
HEALTHY, WORSE, SURER = World(), World(worse=0.35), World(surer=1.5)
HANDED_ON = ("--signal", "s", "--fallback", "last-tier")


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile that lets part of the traffic through, fitted once."""
    from surefoot.service.cli import main

    folder = tmp_path_factory.mktemp("certified")
    table = write(folder / "outcomes.jsonl", questions(1500, HEALTHY, seed=1))
    risk = ("--risk", "selective", "--alpha", str(ALPHA))
    with pytest.raises(SystemExit) as ended:
        main(
            ["fit", str(table), *risk, *HANDED_ON, "--out", str(folder / "profile.json"), "--json"]
        )
    assert ended.value.code == 0
    return folder / "profile.json"


@pytest.fixture
def profile(certified: Path, tmp_path: Path) -> Path:
    path = tmp_path / "profile.json"
    path.write_bytes(certified.read_bytes())
    return path


Watch = Callable[..., Done]


@pytest.fixture
def watch(here: Here, profile: Path, tmp_path: Path) -> Watch:
    """Write these rows as the log and run the monitor, so many days after the certificate."""

    def run(rows: list[Outcome], *options: str, days: float = 10.0) -> Done:
        log = write(tmp_path / "log.jsonl", rows)
        now = datetime.fromtimestamp(certified_at(profile) + 86_400 * days, UTC).isoformat()
        return here("monitor", log, "--profile", profile, "--now", now, *options)

    return run


def kept(document: dict[str, Any]) -> dict[str, Any]:
    """The report without what is about this reading alone."""
    return {name: value for name, value in document.items() if name not in ("skipped", "words")}


def test_a_certified_profile_carries_the_scores_of_its_gate(certified: Path) -> None:
    profile = load_profile(certified)
    (gate,) = scores_of_profile(profile)
    assert (gate.tier, gate.signal, gate.retrieved) == (0, "s", False)
    assert gate.summary.n == 1500 and gate.summary.missing == 0
    without = replace(profile, fitted_on={})
    assert without.fingerprint == profile.fingerprint and scores_of_profile(without) == ()


def test_healthy_traffic_stays_valid(watch: Watch, profile: Path) -> None:
    rows = logged(profile, 3000, HEALTHY, seed=2)
    done = watch(rows, "--json")
    assert (done.code, done.err) == (0, "")
    document = done.document
    check_shape("monitor.json", document)
    assert document["status"] == "valid" and document["reaction"]["vouches"]
    certificate = load_profile(profile).certificate
    assert certificate is not None and document["certificate"] == certificate.id
    gated = sum(row.extra["gated"] for row in rows)
    drawn = sum(row.extra["gated"] and row.extra["audited"] for row in rows)
    assert document["counts"]["gated"] == gated > 500
    assert document["risk"]["labels"] == drawn
    assert document["audit_share"] == pytest.approx(document["counts"]["labelled"] / gated)
    assert document["risk"]["e_value"] < document["risk"]["alarm_from"] == 20.0
    assert [one["attempts"] for one in document["drift"]] == [3000]


def test_a_shift_of_the_risk_revokes_soon_and_for_good(watch: Watch, profile: Path) -> None:
    before = logged(profile, 3000, HEALTHY, seed=2)
    after = logged(profile, 3000, WORSE, seed=3, first=3000)
    healthy = watch(before, "--json").document["risk"]["labels"]
    done = watch(before + after, "--json")
    assert done.code == 3
    document = done.document
    assert document["status"] == "revoked" and not document["reaction"]["gates"]
    # From .14 to .51 where .15 is promised: far quicker than the 230 labels of .08 to .20.
    assert 0 < document["risk"]["e_alarm"] - healthy < 80
    assert document["transitions"][-1]["kind"] == "risk_alarm"
    later = watch(logged(profile, 2000, HEALTHY, seed=4, first=6000), "--json")
    assert later.code == 3 and later.document["status"] == "revoked"


def test_the_same_log_twice_is_read_once(watch: Watch, profile: Path) -> None:
    rows = logged(profile, 1200, HEALTHY, seed=5)
    once = watch(rows, "--json").document
    again = watch(rows[::-1], "--json").document
    assert kept(again) == kept(once)
    assert again["skipped"] == 1200


def test_the_state_survives_a_restart_and_a_log_that_is_rotated(
    watch: Watch, profile: Path, tmp_path: Path
) -> None:
    parts = [logged(profile, 500, HEALTHY, seed=6, first=at) for at in (0, 500, 1000)]
    for part in parts:
        last = watch(part, "--json").document
    assert (profile.parent / "monitor.db").exists()
    whole = watch(
        [row for part in parts for row in part], "--json", "--state", str(tmp_path / "other.db")
    ).document
    assert last["risk"]["e_value"] == pytest.approx(whole["risk"]["e_value"])
    assert last["counts"] == whole["counts"]


def test_labels_that_are_outstanding_are_counted_and_taken_up_later(
    watch: Watch, profile: Path
) -> None:
    waiting = logged(profile, 800, HEALTHY, seed=7, labels=False)
    first = watch(waiting, "--json").document
    assert first["risk"]["labels"] == 0 and first["outstanding"] > 50
    came = watch(logged(profile, 800, HEALTHY, seed=7), "--json").document
    assert came["outstanding"] == 0
    assert came["counts"]["labelled"] == first["outstanding"]


def test_a_drift_of_scores_is_said_without_any_label(watch: Watch, profile: Path) -> None:
    before = logged(profile, 400, HEALTHY, seed=8, labels=False)
    drifted = logged(profile, 900, SURER, seed=9, first=400, labels=False)
    done = watch(before + drifted)
    assert done.code == 0
    assert "warning: unverified" in done.err
    assert done.out.startswith("unverified")
    assert "s of tier 0: has drifted" in done.out.replace("\n", " ")
    assert "says nothing about the risk" in " ".join(done.out.split())


def test_an_old_certificate_is_stale(watch: Watch, profile: Path) -> None:
    rows = logged(profile, 300, HEALTHY, seed=10)
    done = watch(rows, days=91.0)
    assert done.code == 0 and "warning: stale" in done.err
    assert watch(rows, "--max-age-days", "365", "--key", "other", days=91.0).err == ""


def test_people_are_told_which_promise_is_in_use(watch: Watch, profile: Path) -> None:
    rows = logged(profile, 300, HEALTHY, seed=11)
    words = " ".join(watch(rows).out.split())
    assert "the probability of ever raising an alarm is at most 0.05" in words
    words = " ".join(watch(rows, "--method", "e-detector", "--key", "b").out.split())
    assert "10,000 labels apart on average" in words


def test_a_profile_without_a_certificate_has_no_promise_to_watch(
    here: Here, watch: Watch, profile: Path, tmp_path: Path
) -> None:
    rows = logged(profile, 20, HEALTHY)
    save_profile(replace(load_profile(profile), certificate=None), tmp_path / "bare.json")
    log = write(tmp_path / "log.jsonl", rows)
    done = here("monitor", log, "--profile", tmp_path / "bare.json")
    done.check_complaint(2, "bare.json", "certificate", "surefoot fit")
    assert not (tmp_path / "monitor.db").exists()


def test_a_profile_without_scores_is_watched_by_labels_alone(watch: Watch, profile: Path) -> None:
    rows = logged(profile, 300, HEALTHY, seed=12)
    found = load_profile(profile)
    told = {name: value for name, value in found.fitted_on.items() if name != "scores"}
    save_profile(replace(found, fitted_on=told), profile)
    done = watch(rows, "--json")
    assert done.code == 0 and "scores are not watched" in done.err
    assert done.document["drift"] == [] and done.document["status"] == "valid"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--level", "1.5"), "--level"),
        (("--max-age-days", "0"), "--max-age-days"),
        (("--least-propensity", "0"), "--least-propensity"),
        (("--between", "nan"), "--between"),
        (("--now", "tomorrow"), "--now"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    watch: Watch, profile: Path, options: tuple[str, ...], words: str
) -> None:
    watch(logged(profile, 20, HEALTHY), *options).check_complaint(2, words)
    assert not (profile.parent / "monitor.db").exists()


def test_the_level_is_not_changed_halfway(watch: Watch, profile: Path) -> None:
    rows = logged(profile, 200, HEALTHY)
    assert watch(rows).code == 0
    watch(rows, "--level", "0.01").check_complaint(2, "--level 0.01", "0.05")


def test_another_policy_s_rows_are_not_taken_for_this_one_s(watch: Watch, profile: Path) -> None:
    own = load_profile(profile).fingerprint[:12]
    mine = logged(profile, 400, HEALTHY, seed=13, policy_id=own)
    other = logged(profile, 400, WORSE, seed=14, first=400, policy_id="other")
    document = watch(mine + other, "--json").document
    assert document["counts"]["requests"] == 400
    done = watch(other)
    done.check_complaint(2, "other", own, "--policy-id")
    named = watch(other, "--policy-id", "other", "--key", "b", "--json").document
    assert named["counts"]["requests"] == 400


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"propensity": None}, "propensity"),
        ({"propensity": 0.0}, "propensity"),
        ({"propensity": 2.0}, "propensity"),
        ({"ts": "yesterday"}, "ts"),
        ({"audited": "yes"}, "audited"),
        ({"loss": 3.0}, "loss"),
        ({"tier": 5}, "tier"),
    ],
)
def test_a_log_that_cannot_be_is_told_by_its_field(
    watch: Watch, here: Here, profile: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    rows = logged(profile, 40, HEALTHY)
    watch(rows)
    before = (profile.parent / "monitor.db").read_bytes()
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if json.loads(line)["audited"])
    lines[at] = json.dumps({**json.loads(lines[at]), **change})
    (tmp_path / "bad.jsonl").write_text("\n".join(lines))
    done = here("monitor", tmp_path / "bad.jsonl", "--profile", profile)
    done.check_complaint(2, words)
    assert (profile.parent / "monitor.db").read_bytes() == before


def test_a_state_that_is_damaged_is_not_begun_anew(watch: Watch, profile: Path) -> None:
    rows = logged(profile, 50, HEALTHY)
    (profile.parent / "monitor.db").write_bytes(b"not a database at all, whatever it says" * 99)
    done = watch(rows)
    assert done.code == 1 and done.out == ""


def test_the_labels_of_a_revoked_certificate_do_not_certify_its_cure(
    watch: Watch, here: Here, certified: Path, profile: Path, tmp_path: Path
) -> None:
    """Fitting once more on the same table gives a new certificate, and no reason to trust it."""
    before = load_profile(profile).certificate
    rows = logged(profile, 3000, WORSE, seed=3)
    assert watch(rows).code == 3
    risk = ("--risk", "selective", "--alpha", str(ALPHA))

    def refit(table: Path) -> None:
        assert here("fit", table, *risk, *HANDED_ON, "--out", profile).code == 0

    refit(certified.parent / "outcomes.jsonl")
    again = load_profile(profile).certificate
    assert before is not None and again is not None and again.id != before.id
    watch(rows).check_complaint(2, "the labels of", "which is revoked", "after the alarm")
    refit(write(tmp_path / "later.jsonl", questions(1500, HEALTHY, seed=33)))
    assert watch(rows, "--json").document["status"] == "valid"


# --- evaluate -------------------------------------------------------------------------------------


def moved(profile: Path, by: float, name: str) -> Path:
    """The profile with its gate's threshold moved, uncertified."""
    found = load_profile(profile)
    rungs = tuple(
        replace(rung, threshold=rung.threshold + by) if rung.gated and rung.tier == 0 else rung
        for rung in found.rungs
    )
    path = profile.with_name(name)
    save_profile(replace(found, rungs=rungs, certificate=None), path)
    return path


RISK = ("--risk", "selective", "--alpha", "0.3")


def test_a_candidate_is_judged_from_the_log_of_another(
    here: Here, profile: Path, tmp_path: Path
) -> None:
    rows = logged(profile, 3000, HEALTHY, seed=21, policy_id="old")
    log = write(tmp_path / "log.jsonl", rows)
    looser = moved(profile, -0.1, "looser.json")
    done = here("evaluate", log, "--profile", looser, *RISK, "--json")
    document = done.document
    check_shape("evaluate.json", document)
    assert done.code == 0 and document["certifies"] and document["refused"] is None
    assert document["covered"] == 1.0 and document["gaps"] == {}
    # The truth, from all labels of many more requests like these.
    threshold = load_profile(looser).rungs[0].threshold
    taken = [
        row.loss
        for row in questions(20_000, HEALTHY, seed=22)[::2]
        if (row.signals["s"] or 0.0) >= threshold
    ]
    low, high = document["estimate"]["interval"]
    assert low <= sum(loss or 0.0 for loss in taken) / len(taken) <= high
    assert document["cost"] < document["logged_cost"]
    assert document["policies"] == ["old"]
    told = here("evaluate", log, "--profile", looser, *RISK)
    assert told.out.startswith("certified selective risk at most 0.3 with confidence 90%")


def test_a_looser_candidate_without_overlap_is_refused(
    here: Here, profile: Path, tmp_path: Path
) -> None:
    rows = [
        replace(row, loss=None, extra={**row.extra, "audited": False, "propensity": 0.0})
        if row.extra["action"] == "escalate"
        else row
        for row in logged(profile, 800, HEALTHY, seed=23)
    ]
    log = write(tmp_path / "log.jsonl", rows)
    looser = moved(profile, -0.1, "looser.json")
    done = here("evaluate", log, "--profile", looser, *RISK, "--json")
    assert done.code == 3
    document = done.document
    assert not document["certifies"] and document["estimate"] is None
    assert document["gaps"]["audit"] > 20 and "no overlap" in document["refused"]
    assert here("evaluate", log, "--profile", looser, *RISK).out.startswith("refused")


def test_a_candidate_is_never_tested_on_the_rows_that_it_was_fitted_on(
    here: Here, profile: Path, tmp_path: Path
) -> None:
    audit = {"audited": True, "propensity": 1.0}
    rows = [replace(row, extra={**row.extra, **audit}) for row in questions(600, HEALTHY, seed=31)]
    log = write(tmp_path / "log.jsonl", rows)
    fitted = here(
        "fit", log, "--risk", "selective", "--alpha", "0.3", *HANDED_ON, "--out", "c.json"
    )
    assert fitted.code == 0
    here("evaluate", log, "--profile", "c.json").check_complaint(2, "log.jsonl", "very rows")
    fresh = write(tmp_path / "fresh.jsonl", logged(profile, 600, HEALTHY, seed=32))
    assert here("evaluate", fresh, "--profile", "c.json", "--json").code in (0, 3)


def test_what_is_evaluated_has_a_name(here: Here, profile: Path, tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", logged(profile, 800, HEALTHY, seed=24))
    own = here("evaluate", log, "--profile", profile, "--json").document
    assert own["target"]["kind"] == "selective" and own["target"]["alpha"] == ALPHA
    bare = moved(profile, 0.0, "bare.json")
    here("evaluate", log, "--profile", bare).check_complaint(2, "--risk and --alpha")
    here("evaluate", log, "--profile", bare, "--alpha", "0.1").check_complaint(2, "go together")
    here("evaluate", log, "--profile", bare, *RISK, "--tolerance", "2").check_complaint(
        2, "--tolerance"
    )


def test_a_candidate_that_weighs_values_is_judged_too(
    here: Here, profile: Path, tmp_path: Path
) -> None:
    rows = questions(300, HEALTHY, seed=25)
    both = [
        replace(row, signals={"s": rows[at - at % 2].signals["s"]}) for at, row in enumerate(rows)
    ]
    table = write(tmp_path / "outcomes.jsonl", both)
    fit = ("fit", table, "--uncertified", "--policy", "utility", "--error-price", "30")
    assert here(*fit, "--out", "utility.json").code == 0
    log = write(tmp_path / "log.jsonl", logged(profile, 300, HEALTHY, seed=26))
    document = here("evaluate", log, "--profile", "utility.json", *RISK, "--json").document
    assert document["n"] == 300 and (document["refused"] is None) == (not document["gaps"])
    choose = ("next-labels", log, "--profile", "utility.json", "--budget", "9")
    here(*choose).check_complaint(2, "utility policy has no thresholds")


# --- next-labels ----------------------------------------------------------------------------------


@pytest.fixture
def unlabeled(profile: Path, tmp_path: Path) -> Path:
    return write(tmp_path / "log.jsonl", logged(profile, 1500, HEALTHY, seed=31))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_labels_are_drawn_within_the_budget(
    here: Here, profile: Path, unlabeled: Path, tmp_path: Path
) -> None:
    command = ("next-labels", unlabeled, "--profile", profile, "--budget", "120")
    done = here(*command, "--out", "next.jsonl", "--draws", "draws.jsonl", "--json")
    assert done.code == 0
    check_shape("next_labels.json", done.document)
    chosen, draws = lines(Path("next.jsonl")), lines(Path("draws.jsonl"))
    assert chosen == done.document["labels"]
    assert 80 < len(chosen) < 160
    assert all(
        set(one) == {"query_id", "tier", "round", "retrieved", "propensity"} for one in chosen
    )
    rows = {(row["query_id"], row["tier"]): row for row in lines(unlabeled)}
    assert not any(rows[one["query_id"], one["tier"]]["audited"] for one in chosen)
    threshold = load_profile(profile).rungs[0].threshold
    assert all(rows[c["query_id"], c["tier"]]["signals"]["s"] >= threshold for c in chosen)
    # In all, the draw adds the budget to the propensities there were.
    added = [d["propensity"] - rows[d["query_id"], d["tier"]]["propensity"] for d in draws]
    assert sum(added) == pytest.approx(120, rel=1e-3) and min(added) >= -1e-12
    assert here(*command, "--json").document["labels"] == chosen


def test_what_is_to_be_labeled_goes_to_stdout_and_the_ways_beside_it(
    here: Here, profile: Path, unlabeled: Path
) -> None:
    done = here("next-labels", unlabeled, "--profile", profile, "--budget", "60")
    assert done.code == 0
    assert all("propensity" in json.loads(line) for line in done.out.splitlines())
    assert "ways to a certificate" in done.err
    kept = here(
        "next-labels", unlabeled, "--profile", profile, "--budget", "60", "--out", "n.jsonl"
    )
    assert "ways to a certificate" in kept.out and Path("n.jsonl").read_text() == done.out


def test_a_draw_that_was_logged_is_followed_by_another(
    here: Here, profile: Path, unlabeled: Path, tmp_path: Path
) -> None:
    command = ("--profile", profile, "--budget", "100", "--json")
    first = here("next-labels", unlabeled, *command, "--draws", "draws.jsonl").document["labels"]
    draws = {(d["query_id"], d["tier"]): d for d in lines(Path("draws.jsonl"))}
    rows = [{**row, **draws.get((row["query_id"], row["tier"]), {})} for row in lines(unlabeled)]
    again = tmp_path / "again.jsonl"
    again.write_text("".join(json.dumps(row) + "\n" for row in rows))
    second = here("next-labels", again, *command).document["labels"]
    assert second and not {one["query_id"] for one in first} & {one["query_id"] for one in second}


def test_the_ways_are_those_of_the_certified_risk(
    here: Here, profile: Path, unlabeled: Path
) -> None:
    command = ("next-labels", unlabeled, "--profile", profile, "--budget", "60", "--json")
    document = here(*command, "--margin", "0", "--margin", "0.05").document
    assert {one["margin"] for one in document["options"]} == {0.0, 0.05}
    assert all(
        one["needed"] is None or one["more"] == max(0, one["needed"] - one["have"])
        for one in document["options"]
    )
    joint = here(*command, "--risk", "joint", "--alpha", "0.1").document
    assert joint["options"] == [] and "selective" in joint["no_options"]
    bare = moved(profile, 0.0, "bare.json")
    told = here("next-labels", unlabeled, "--profile", bare, "--budget", "60", "--json").document
    assert told["options"] == [] and "--risk" in told["no_options"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--budget", "0"), "--budget"),
        (("--budget", "nan"), "--budget"),
        (("--budget", "5", "--margin", "nan"), "--margin"),
        (("--budget", "0.5", "--pi-min", "0.3"), "pi_min"),
        (("--budget", "5", "--out", "log.jsonl"), "--out"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(
    here: Here, profile: Path, unlabeled: Path, options: tuple[str, ...], words: str
) -> None:
    before = unlabeled.read_bytes()
    done = here("next-labels", unlabeled, "--profile", profile, *options)
    done.check_complaint(2, words)
    assert unlabeled.read_bytes() == before


def test_where_everything_is_labeled_there_is_nothing_to_choose(
    here: Here, profile: Path, tmp_path: Path
) -> None:
    table = write(tmp_path / "whole.jsonl", questions(50, HEALTHY, seed=41))
    done = here("next-labels", table, "--profile", profile, "--budget", "5")
    done.check_complaint(2, "nothing to choose from")
