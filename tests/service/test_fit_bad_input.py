"""What `surefoot fit` refuses: exit code 2, the place named, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from .doors import Here, run
from .tables import QUESTIONS, write_outcomes

Row = dict[str, Any]

RISK = ("--risk", "selective", "--alpha", "0.3")
UNCERTIFIED = ("--uncertified",)
QUALITY = ("--quality", "0.9")
DEFER = ("--defer", "0.3")
BUDGET = ("--budget", "1e-5")
EVERY_TARGET = (RISK, UNCERTIFIED, QUALITY, DEFER, BUDGET)
VALUES = (("--uncertified", "--policy", kind) for kind in ("utility", "cascade-routing"))


def rows_of(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(name: str, rows: Sequence[Row | str]) -> Path:
    """In the folder of the test; a text stands for a line as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Path(name)


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    """Four a question: two tiers, each closed book and after one search."""
    return rows_of(write_outcomes(tmp_path / "good.jsonl"))


@pytest.fixture
def refused(here: Here, tmp_path: Path) -> Callable[..., None]:
    """Runs the command and sees that it complains in these words, and writes nothing."""

    def check(args: Sequence[str | Path], *words: str) -> None:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        here("fit", *args, "--out", "out.json").check_complaint(2, *words)
        after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert after == before

    return check


def test_the_table_of_these_tests_is_good(here: Here, rows: list[Row]) -> None:
    """What is refused below is refused for what was changed in it."""
    path = write("t.jsonl", rows)
    for target in ((*RISK, "--signal", "perplexity"), *EVERY_TARGET[1:]):
        done = here("fit", path, *target, "--calibration", "platt", "--out", "out.json")
        assert done.code in ((0, 3) if "--risk" in target else (0,)), done
        assert Path("out.json").exists()
    alike = write("a.jsonl", [{**row, "audited": True, "propensity": 0.5} for row in rows])
    assert here("fit", alike, *RISK, "--signal", "perplexity", "--out", "out.json").code in (0, 3)
    assert len(rows) == 4 * QUESTIONS


# --- rows that are wrong in themselves -----------------------------------------------------------


@pytest.mark.parametrize("target", EVERY_TARGET, ids=lambda target: target[0])
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cost": ...}, "cost"),
        ({"cost": None}, "cost"),
        ({"cost": -1.0}, "cost"),
        ({"cost": 1e308}, "cost"),
        ({"loss": ...}, "loss"),
        ({"loss": 1.5}, "loss"),
        ({"loss": -0.1}, "loss"),
        ({"loss": "0"}, "loss"),
        ({"loss": float("nan")}, "loss"),
        ({"tier": -1}, "tier"),
        ({"tier": 0.5}, "tier"),
        ({"query_id": ...}, "query_id"),
        ({"signals": {"perplexity": float("nan")}}, "signals.perplexity"),
        ({"signals": {"perplexity": float("inf")}}, "signals.perplexity"),
        ({"signals": {"perplexity": 2.0}}, "signals.perplexity"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named_by_file_and_line(
    refused: Callable[..., None], rows: list[Row], change: Row, field: str, target: tuple[str, ...]
) -> None:
    changed = {**rows[6], **change}
    rows[6] = {name: value for name, value in changed.items() if value is not ...}
    refused((write("t.jsonl", rows), *target), f"t.jsonl:7: field '{field}'")


def test_a_line_that_is_no_json(refused: Callable[..., None], rows: list[Row]) -> None:
    refused((write("t.jsonl", [*rows[:3], '{"query_id": ']), *RISK), "t.jsonl:4: not JSON")


@pytest.mark.parametrize("lines", [[], ["", ""]])
def test_an_empty_table(refused: Callable[..., None], lines: list[str]) -> None:
    refused((write("t.jsonl", lines), *RISK), "t.jsonl: there is no row")


def test_a_key_that_occurs_twice(refused: Callable[..., None], rows: list[Row]) -> None:
    path = write("t.jsonl", [*rows, {**rows[3], "loss": 1.0 - rows[3]["loss"]}])
    refused((path, *RISK), f"t.jsonl:{len(rows) + 1}:", "'q0'", "twice")


def test_a_tier_that_nobody_has_heard_of(refused: Callable[..., None], rows: list[Row]) -> None:
    path = write("t.jsonl", [{**row, "tier": 2 * row["tier"]} for row in rows])
    refused((path, *RISK), "t.jsonl:3: field 'tier'", "tier 2 has rows and tier 1 has none")


def test_a_round_that_no_row_leads_to(refused: Callable[..., None], rows: list[Row]) -> None:
    """Every round up to the highest is a step that is fitted: a slip of 10^9 filled the memory."""
    path = write("t.jsonl", [*rows, {**rows[1], "round": 10**9}])
    refused((path, *RISK), f"t.jsonl:{len(rows) + 1}: field 'round'", "round 2 has none")


def test_a_seed_below_zero(refused: Callable[..., None], rows: list[Row]) -> None:
    refused((write("t.jsonl", rows), *RISK, "--seed", "-1"), "'--seed'", "-1")


@pytest.mark.parametrize("target", [*EVERY_TARGET, *VALUES], ids=lambda target: target[-1])
@pytest.mark.parametrize(("line", "tier"), [(4, 0), (6, 1)])
def test_a_question_without_a_row_that_a_policy_would_reach(
    refused: Callable[..., None], rows: list[Row], line: int, tier: int, target: tuple[str, ...]
) -> None:
    del rows[line]
    path = write("t.jsonl", rows)
    few = ("--calibration", "platt", "--combine", "none")
    if target is RISK:  # where most questions are tested, and few of them chosen on
        target = (*RISK, "--signal", "perplexity")
    refused((path, *target, *few), "t.jsonl: query 'q1' has no row", f"tier {tier}")


@pytest.mark.parametrize("target", EVERY_TARGET[1:], ids=lambda target: target[0])
def test_a_row_that_nobody_has_judged(
    refused: Callable[..., None], rows: list[Row], target: tuple[str, ...]
) -> None:
    """Certified fits leave such questions out; others would be wrong to."""
    rows[6]["loss"] = None
    refused((write("t.jsonl", rows), *target), "t.jsonl:7: field 'loss'", "judge the row")


def test_nothing_is_certified_where_nobody_has_judged_anything(
    refused: Callable[..., None], rows: list[Row]
) -> None:
    path = write("t.jsonl", [{**row, "loss": None} for row in rows])
    refused((path, *RISK), "t.jsonl: no question has a loss")


@pytest.mark.parametrize("target", [RISK, QUALITY, BUDGET], ids=lambda target: target[0])
@pytest.mark.parametrize(
    ("change", "field"),
    [({"propensity": 0.1}, "propensity"), ({"audited": False}, "audited")],
    ids=str,
)
def test_labels_that_were_not_drawn_alike(
    refused: Callable[..., None],
    rows: list[Row],
    change: Row,
    field: str,
    target: tuple[str, ...],
) -> None:
    """Each counts as much as any other, and a promise would speak of a sample nobody drew."""
    drawn = [{**row, "audited": True, "propensity": 0.5} for row in rows]
    drawn[6].update(change)
    refused((write("t.jsonl", drawn), *target), f"t.jsonl:7: field '{field}'", "sample")


@pytest.mark.parametrize("kind", ["selective", "joint", "system"])
def test_a_graded_loss_where_right_or_wrong_was_asked_for(
    refused: Callable[..., None], rows: list[Row], kind: str
) -> None:
    rows[6]["loss"] = 0.5
    target = ("--risk", kind, "--alpha", "0.3")
    refused((write("t.jsonl", rows), *target), "t.jsonl:7: field 'loss'", "--loss bounded")


def test_a_table_without_any_signal(refused: Callable[..., None], rows: list[Row]) -> None:
    path = write("t.jsonl", [{**row, "signals": {}} for row in rows])
    refused((path, *RISK), "t.jsonl: ", "no tier has a signal")


# --- files beside the table ----------------------------------------------------------------------


def renamed(rows: Sequence[Row]) -> list[Row]:
    return [{**row, "query_id": f"other {row['query_id']}"} for row in rows]


def test_rows_are_never_tested_that_were_chosen_on(
    refused: Callable[..., None], rows: list[Row]
) -> None:
    path = write("t.jsonl", rows)
    refused((path, *RISK, "--tune", path), "t.jsonl:1: field 'query_id'", "'q0' is also in")
    some = write("tune.jsonl", [*renamed(rows), *rows[8:12]])
    place = f"tune.jsonl:{len(rows) + 1}: field 'query_id'"
    refused((path, *RISK, "--tune", some), place, "'q2' is also in t.jsonl")


@pytest.mark.parametrize("option", ["--tune", "--traffic"])
def test_a_file_beside_the_table_has_its_signals_and_tiers(
    refused: Callable[..., None], rows: list[Row], option: str
) -> None:
    path, others = write("t.jsonl", rows), renamed(rows)
    for beside, *words in (
        ([{**row, "signals": {"s": 0.5}} for row in others], "field 'signals'", "perplexity"),
        ([{**row, "signals": {"perplexity": 0.5}} for row in others], "no row has min_token_prob"),
        ([row for row in others if not row["tier"]], "'other q0' has no row for tier 1, round 0"),
        (others[:-1], f"'other q{QUESTIONS - 1}' has no row for tier 1, round 1"),
        ([*others, {**others[0], "tier": 2}], f":{len(rows) + 1}: field 'tier'", "2 tiers"),
        ([], "there is no row"),
    ):
        file = write("beside.jsonl", beside)
        refused((path, *RISK, option, file), "beside.jsonl", *words)
    refused((path, *RISK, option, "nowhere.jsonl"), "nowhere.jsonl: cannot be read")


def test_rows_to_choose_on_are_judged_as_the_target_says(
    refused: Callable[..., None], rows: list[Row]
) -> None:
    path, others = write("t.jsonl", rows), renamed(rows)
    others[6]["loss"] = 0.5
    tune = write("tune.jsonl", others)
    refused((path, *RISK, "--tune", tune), "tune.jsonl:7: field 'loss'", "--loss bounded")
    tune = write("tune.jsonl", [{**row, "loss": None} for row in others])
    refused((path, *RISK, "--tune", tune), "tune.jsonl: no question has a loss")


def test_a_deferral_s_traffic_needs_the_first_tier_alone(
    here: Here, refused: Callable[..., None], rows: list[Row]
) -> None:
    path = write("t.jsonl", rows)
    first = [{**row, "loss": None} for row in rows if (row["tier"], row["round"]) == (0, 0)]
    traffic = write("traffic.jsonl", first)
    assert here("fit", path, *DEFER, "--traffic", traffic, "--out", "p.json").code == 0
    traffic = write("traffic.jsonl", [{**row, "signals": {"s": 0.5}} for row in first])
    refused((path, *DEFER, "--traffic", traffic), "traffic.jsonl: field 'signals'", "perplexity")


def test_questions_that_are_not_all_there(refused: Callable[..., None], rows: list[Row]) -> None:
    path = write("t.jsonl", rows)
    texts = write("questions.jsonl", [{"query_id": "q0", "question": "Who?"}])
    refused((path, *BUDGET, "--questions", texts), "questions.jsonl: some questions")
    texts = write("questions.jsonl", [{"query_id": "q0"}])
    refused((path, *BUDGET, "--questions", texts), "questions.jsonl:1: field 'prompt'")


@pytest.mark.parametrize("option", ["--tune", "--traffic"])
def test_no_input_is_overwritten(here: Here, rows: list[Row], option: str) -> None:
    path, beside = write("t.jsonl", rows), write("beside.jsonl", renamed(rows))
    before = beside.read_bytes()
    done = here("fit", path, *RISK, option, beside, "--out", f"./{beside}")
    done.check_complaint(2, "--out beside.jsonl", "name another file")
    assert beside.read_bytes() == before


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", ["0", "1", "-0.1", "1.1", "nan", "inf", "low"])
def test_a_risk_outside_of_0_to_1(
    refused: Callable[..., None], rows: list[Row], alpha: str
) -> None:
    path = write("t.jsonl", rows)
    refused((path, "--risk", "selective", "--alpha", alpha), "alpha", alpha)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--delta", "0"), ("delta is 0",)),
        (("--abstention-loss", "0.5"), ("abstention_loss is 0.5",)),
        (("--abstention-loss", "nan"), ("abstention_loss is nan",)),
        (("--signal", "s"), ("t.jsonl: field 'signals'", "--signal s", "perplexity")),
        (("--by-group", "language"), ("t.jsonl:1: field 'group'", "'q0' names no 'language'")),
        (("--fallback", "first-tier"), ("--fallback", "first-tier")),
        (("--seed", "x"), ("--seed",)),
    ],
    ids=str,
)
def test_terms_that_cannot_be_met(
    refused: Callable[..., None], rows: list[Row], options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused((write("t.jsonl", rows), *RISK, *options), *words)


def test_a_question_is_in_one_group(refused: Callable[..., None], rows: list[Row]) -> None:
    rows = [{**row, "group": {"language": "en"}} for row in rows]
    rows[9]["group"] = {"language": "de"}
    path = write("t.jsonl", rows)
    refused((path, *RISK, "--by-group", "language"), "t.jsonl:9: field 'group'", "several values")
    rows[8]["group"] = rows[9]["group"] = {}
    path = write("t.jsonl", rows)
    refused((path, *RISK, "--by-group", "language"), "t.jsonl:9: field 'group'", "names no")


@pytest.mark.parametrize(
    "targets",
    [
        (),
        (*RISK, *UNCERTIFIED),
        (*QUALITY, *BUDGET),
        (*RISK, *DEFER),
        (*QUALITY, *DEFER, *UNCERTIFIED),
        ("--alpha", "0.1"),
        ("--alpha", "0.1", *QUALITY),
        ("--risk", "joint"),
    ],
    ids=str,
)
def test_one_target_is_wanted(
    refused: Callable[..., None], rows: list[Row], targets: tuple[str, ...]
) -> None:
    path = write("t.jsonl", rows)
    refused((path, *targets), *(option for option in targets[:1] if option != "--alpha"), "--risk")


@pytest.mark.parametrize(
    ("target", "option"),
    [
        *((target, ("--tune", "t.jsonl")) for target in EVERY_TARGET[1:]),
        (UNCERTIFIED, ("--signal", "perplexity")),
        (QUALITY, ("--by-group", "language")),
        (BUDGET, ("--fallback", "abstain")),
        (UNCERTIFIED, ("--loss", "bounded")),
        (DEFER, ("--abstention-loss", "0.5")),
        (QUALITY, ("--policy", "utility")),
        (QUALITY, ("--enter", "first")),
    ],
    ids=str,
)
def test_an_option_that_would_not_be_heeded(
    refused: Callable[..., None], rows: list[Row], target: tuple[str, ...], option: tuple[str, str]
) -> None:
    refused((write("t.jsonl", rows), *target, *option), option[0], "goes with --")


@pytest.mark.parametrize(
    ("target", "option"),
    [
        (UNCERTIFIED, ("--traffic", "t.jsonl")),
        (DEFER, ("--error-price", "1")),
        (DEFER, ("--abstain-price", "1")),
        ((*RISK, "--signal", "perplexity"), ("--questions", "t.jsonl")),
    ],
    ids=str,
)
def test_an_option_of_every_fit_that_a_target_has_no_use_for_is_told(
    here: Here, rows: list[Row], target: tuple[str, ...], option: tuple[str, str]
) -> None:
    done = here("fit", write("t.jsonl", rows), *target, *option, "--out", "p.json")
    assert done.code in (0, 3)
    assert f"{option[0]} is not used by {target[0]}" in done.err


@pytest.mark.parametrize(
    "target",
    [("--quality", "0"), ("--quality", "nan"), ("--defer", "1.1"), ("--budget", "-1")],
    ids=str,
)
def test_targets_that_do_not_exist(
    refused: Callable[..., None], rows: list[Row], target: tuple[str, str]
) -> None:
    refused((write("t.jsonl", rows), *target), f"is {float(target[1])}")


def test_the_installed_command_says_so_too(tmp_path: Path, rows: list[Row]) -> None:
    """In a process of its own: one line, no traceback, exit code 2."""
    rows[6]["loss"] = 1.5
    write("t.jsonl", rows)
    done = run("fit", "t.jsonl", *RISK, "--out", "out.json", cwd=tmp_path)
    done.check_complaint(2, "t.jsonl:7: field 'loss'")
    assert done.err.count("\n") == 1 and not (tmp_path / "out.json").exists()
