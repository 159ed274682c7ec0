"""`surefoot score`: a line of signals for every record, through any interruption."""

from __future__ import annotations

import gzip
import io
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from surefoot.policies.score_tally import Seen
from surefoot.router.estimators.catalogue import CATALOGUE, estimator
from surefoot.router.evidence import Evidence
from surefoot.router.signals import Signal
from surefoot.router.testing import FixedEstimator
from surefoot.router.wire import decode
from surefoot.service.score_report import availability_table, score_document
from surefoot.service.score_run import Job, Run

from .doors import Done, Here, run, start, wait
from .evidences import fuzzed_line, record, write_evidence
from .results import check_golden

ROOT = Path(__file__).parents[2]
PLAIN = {"id": "a", "question": "Which city?", "greedy": {"text": "Paris"}}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    return write_evidence(tmp_path / "evidence.jsonl", [record(i, samples=3) for i in range(25)])


# --- what is written ----------------------------------------------------------------------------


def test_one_line_for_each_record_in_order_with_the_estimators_own_numbers(
    here: Here, evidence: Path
) -> None:
    done = here("score", evidence, "--estimators", "perplexity,self_consistency")
    assert (done.code, done.err) == (0, "")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["id"] for line in lines] == [f"q{i}" for i in range(25)]
    for line, row in zip(lines, lines_of(evidence), strict=True):
        assert list(line) == ["id", "signals"]
        assert list(line["signals"]) == ["perplexity", "self_consistency"]
        for name, told in line["signals"].items():
            alone = estimator(name).estimate(decode(Evidence, row))
            assert isinstance(alone, Signal)
            assert told == {
                "value": alone.value,
                "raw": alone.raw,
                "direction": alone.direction,
            }


def test_by_default_all_estimators_and_every_one_says_why_not(here: Here) -> None:
    write_evidence(Path("e.jsonl"), [PLAIN, {**PLAIN, "greedy": {"text": " "}}])
    first, second = (json.loads(line) for line in here("score", "e.jsonl").out.splitlines())
    asked = {one.name for one in CATALOGUE.values() if one.compatible_with is None}
    assert set(first["signals"]) == asked
    assert first["signals"]["perplexity"] == {"unavailable": "no logprobs"}
    assert first["signals"]["self_consistency"] == {"unavailable": "no samples"}
    assert {tuple(told) for told in second["signals"].values()} == {("unavailable",)}
    assert second["signals"]["perplexity"] == {"unavailable": "empty answer"}


def test_the_shipped_example_can_be_scored(here: Here) -> None:
    example = ROOT / "examples" / "evidence.jsonl"
    done = here("score", example, "--out", "s.jsonl", "--estimators", "tokens,samples", "--json")
    told = done.document
    assert (told["records"], told["scored"], told["labeled"], told["skipped"]) == (12, 12, 12, 0)
    for name in ("g_nll", "perplexity", "self_consistency"):
        assert told["estimators"][name] == {"available": 12, "unavailable": {}}


def test_details_stand_beside_where_asked_for(here: Here, evidence: Path) -> None:
    done = here("score", evidence, "--estimators", "self_consistency", "--details")
    told = json.loads(done.out.splitlines()[0])["signals"]["self_consistency"]
    assert told["details"]["m"] == 3


def test_the_content_filter_can_be_switched_off(here: Here) -> None:
    tokens = [{"token": "Paris", "logprob": -1.0}, {"token": ".", "logprob": -3.0}]
    write_evidence(Path("e.jsonl"), [{**PLAIN, "greedy": {"text": "Paris.", "tokens": tokens}}])

    def log_perplexity(*options: str) -> float:
        done = here("score", "e.jsonl", "--estimators", "perplexity", "--details", *options)
        told = json.loads(done.out)["signals"]["perplexity"]
        number = told["details"]["log_perplexity"]
        assert isinstance(number, float)
        return number

    assert log_perplexity() == log_perplexity("--content-filter", "on") == 1.0
    assert log_perplexity("--content-filter", "off") == 2.0


def test_gzip_standard_input_and_numbers_as_ids(here: Here, tmp_path: Path) -> None:
    row = {**PLAIN, "id": 17}
    packed = tmp_path / "e.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(row).encode()))
    told = json.loads(here("score", packed).out)
    assert told["id"] == 17
    for given in (json.dumps(row).encode(), packed.read_bytes()):
        done = run("score", "-", given=given)
        assert (done.code, json.loads(done.out)) == (0, told)


def test_a_stream_can_be_scored_into_a_file_too(tmp_path: Path) -> None:
    done = run(
        "score", "-", "--out", tmp_path / "s.jsonl", "--json", given=json.dumps(PLAIN).encode()
    )
    assert done.document["scored"] == 1
    assert [line["id"] for line in lines_of(tmp_path / "s.jsonl")] == ["a"]


def test_missing_similarities_are_filled_in_only_where_asked_for(here: Here) -> None:
    row = {**PLAIN, "samples": ["Paris", "Rome"], "greedy": "Paris"}
    write_evidence(Path("e.jsonl"), [row])
    names = ",".join(
        one.name
        for one in CATALOGUE.values()
        if estimator(one.name).needs.compare == "similarity" and not one.compatible_with
    )
    if not names:
        pytest.skip("no estimator reads similarities")
    bare = json.loads(here("score", "e.jsonl", "--estimators", names).out)["signals"]
    assert all("unavailable" in told for told in bare.values())
    done = here("score", "e.jsonl", "--estimators", names, "--similarity", "lexical")
    filled = json.loads(done.out)["signals"]
    assert any("value" in told for told in filled.values())


def test_a_comparer_of_no_known_form_is_refused(here: Here, evidence: Path) -> None:
    here("score", evidence, "--similarity", "nonsense").check_complaint(2, "nonsense")
    here("score", evidence, "--nli", "lexical").check_complaint(2, "lexical")


# --- the summary --------------------------------------------------------------------------------


def test_the_summary_counts_what_was_there_and_why_not(here: Here) -> None:
    rows: list[object] = [record(0, samples=2), PLAIN, {**PLAIN, "greedy": ""}, "not json"]
    write_evidence(Path("e.jsonl"), rows)
    done = here(
        *("score", "e.jsonl", "--estimators", "perplexity,self_consistency"),
        *("--out", "s.jsonl", "--on-error", "skip", "--json"),
    )
    told = done.document
    assert done.code == 0
    assert told["schema"] == 1
    assert (told["evidence"], told["out"]) == ("e.jsonl", "s.jsonl")
    assert (told["records"], told["scored"], told["skipped"]) == (4, 3, 1)
    assert told["skipped_first"][0].startswith("e.jsonl:4: not JSON")
    assert (told["went_on_after"], told["labeled"]) == (0, 1)
    assert told["estimators"] == {
        "perplexity": {"available": 1, "unavailable": {"no logprobs": 1, "empty answer": 1}},
        "self_consistency": {"available": 1, "unavailable": {"no samples": 1, "empty answer": 1}},
    }
    assert told["seconds"] >= 0 and told["records_per_s"] > 0


def test_without_labels_there_are_no_metrics(here: Here) -> None:
    write_evidence(Path("e.jsonl"), [PLAIN])
    assert here("score", "e.jsonl", "--out", "s.jsonl", "--json").document["metrics"] is None
    done = here("score", "e.jsonl", "--out", "s.jsonl", "--report", "r")
    done_words = "no record has the field 'correct'"
    assert done.code == 2 and done_words in done.err
    assert len(lines_of(Path("s.jsonl"))) == 1


def test_labels_tell_how_well_each_signal_tells_right_from_wrong(here: Here) -> None:
    from surefoot.router.metrics import auroc

    write_evidence(Path("e.jsonl"), [record(i) for i in range(120)])
    names = "g_nll,perplexity,self_consistency"
    done = here("score", "e.jsonl", "--estimators", names, "--out", "s.jsonl", "--json")
    labels = [row["correct"] for row in lines_of(Path("e.jsonl"))]
    scores = [-line["signals"]["g_nll"]["raw"] for line in lines_of(Path("s.jsonl"))]
    told = done.document["metrics"]
    low, high = told["g_nll"]["auroc"]["interval"]
    assert told["g_nll"]["auroc"]["value"] == pytest.approx(auroc(scores, labels))
    assert low < told["g_nll"]["auroc"]["value"] < high
    assert (told["g_nll"]["n"], told["self_consistency"]["n"]) == (120, 0)
    assert "unavailable" in told["self_consistency"]["auroc"]
    assert "curve" not in told["g_nll"] and "bins" not in told["g_nll"]["calibrated"]
    again = here("score", "e.jsonl", "--estimators", names, "--out", "t.jsonl", "--json")
    assert again.document["metrics"] == told


def test_a_report_has_numbers_pictures_and_a_table(here: Here) -> None:
    pytest.importorskip("matplotlib")
    write_evidence(Path("e.jsonl"), [record(i) for i in range(120)])
    done = here("score", "e.jsonl", "--estimators", "g_nll,perplexity", "--report", "r/f")
    assert done.code == 0
    assert len(done.out.splitlines()) == 120  # signals alone: the table goes to stderr
    assert "AUROC" in done.err and "g_nll" in done.err and "report: r/f" in done.err
    assert sorted(path.name for path in Path("r/f").iterdir()) == [
        "auroc.png",
        "reliability.png",
        "risk_coverage.png",
        "signals.json",
    ]
    numbers = json.loads(Path("r/f/signals.json").read_text())["signals"]
    assert set(numbers) == {"g_nll", "perplexity"}
    assert numbers["g_nll"]["curve"][-1][0] == 1.0


def test_people_see_a_table(here: Here, evidence: Path) -> None:
    done = here("score", evidence, "--out", "s.jsonl", "--estimators", "g_nll,lexical_support")
    assert (done.code, done.err) == (0, "")
    assert "g_nll" in done.out and "25 records scored" in done.out
    assert "nowhere available (no passages): lexical_support" in " ".join(done.out.split())


@pytest.fixture
def run_by_hand() -> Run:
    """Three records, a third of them from an interrupted run before."""
    found = Run(Job((FixedEstimator("sure"), FixedEstimator("never"))), lambda: None, 10)
    missing = Seen(reason="no \x1b[31msamples")
    for seen in (Seen(0.5, 0.5), Seen(0.25, 0.25), Seen(reason="empty answer")):
        found.tally.add({"sure": seen, "never": missing})
    found.labeled.add(True, "q", {"sure": Seen(0.5, 0.5), "never": missing})
    found.went_on_after = 1
    return found


def test_the_summary_of_programs_is_the_golden_one(run_by_hand: Run) -> None:
    facts = {"evidence": "e.jsonl", "out": "s.jsonl", "skipped": 1, "skipped_first": ["e.jsonl:2"]}
    document = score_document(run_by_hand, facts, None, 4.0)
    check_golden("score.json", json.dumps(document, indent=1) + "\n")


def test_the_table_of_people_is_the_golden_one(run_by_hand: Run) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(availability_table(run_by_hand.tally))
    check_golden("score.txt", console.export_text())


# --- what is refused ----------------------------------------------------------------------------


def test_bad_usage_is_refused_before_anything_is_written(here: Here, evidence: Path) -> None:
    here("score", evidence, "--json").check_complaint(2, "--out")
    here("score", evidence, "--out", evidence).check_complaint(2, "the evidence itself")
    part = evidence.rename(evidence.with_name("s.jsonl.part"))
    here("score", part, "--out", "s.jsonl").check_complaint(2, "the evidence itself")
    part.rename(evidence)
    here("score", evidence, "--out", ".").check_complaint(2, "is a folder")
    here("score", evidence, "--out", "s.jsonl.gz").check_complaint(2, "without .gz")
    here("score", evidence, "--estimators", "perplexty").check_complaint(2, "'perplexity'")
    here("score", evidence, "--estimators", ",").check_complaint(2, "--estimators is empty")
    here("score", evidence, "--content-filter", "maybe").check_complaint(2, "maybe")
    here("score", "none.jsonl", "--out", "s.jsonl").check_complaint(2, "none.jsonl: cannot be read")
    here("score", "none.jsonl").check_complaint(2, "none.jsonl: cannot be read")
    assert sorted(path.name for path in Path().glob("*.jsonl*")) == ["evidence.jsonl"]


@pytest.mark.parametrize("target", [(), ("--out", "s.jsonl")])
def test_a_bad_line_stops_with_its_place_and_what_was_finished_is_kept(
    here: Here, target: tuple[str, ...]
) -> None:
    bad = {**record(3), "correct": "maybe"}
    rows = [record(0), record(1), record(2), bad, record(4)]
    write_evidence(Path("e.jsonl"), rows)
    done = here("score", "e.jsonl", "--estimators", "g_nll", *target)
    assert done.code == 2
    assert "e.jsonl:4: field 'correct': " in done.err
    assert not Path("s.jsonl").exists()
    kept = done.out if not target else Path("s.jsonl.part").read_text()
    assert [json.loads(line)["id"] for line in kept.splitlines()] == ["q0", "q1", "q2"]
    if target:
        assert "3 records, is kept in s.jsonl.part" in done.err


def test_after_a_stop_the_same_command_with_skip_goes_on(here: Here) -> None:
    rows = [record(0), record(1), {"id": "bad"}, record(3)]
    write_evidence(Path("e.jsonl"), rows)
    assert here("score", "e.jsonl", "--out", "s.jsonl", "--estimators", "g_nll").code == 2
    done = here(
        "score", "e.jsonl", "--out", "s.jsonl", "--estimators", "g_nll", "--on-error", "skip"
    )
    assert done.code == 0
    assert "went on after 2 records" in done.err
    assert "1 line was left out, the first of them: e.jsonl:3: field 'question'" in done.err
    assert [line["id"] for line in lines_of(Path("s.jsonl"))] == ["q0", "q1", "q3"]


def test_no_model_is_loaded(evidence: Path) -> None:
    probe = (
        "import sys\nfrom surefoot.service.cli import main\ntry:\n    main(sys.argv[1:])\n"
        "except SystemExit as ended:\n    assert not ended.code\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'scipy', 'matplotlib', 'xllamacpp', "
        "'langgraph', 'httpx'}\n"
        "assert heavy.isdisjoint(sys.modules), heavy.intersection(sys.modules)"
    )
    command = [sys.executable, "-c", probe, "score", str(evidence), "--out", "s.jsonl"]
    subprocess.run(command, check=True, capture_output=True)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    path = write_evidence(tmp_path / "e.jsonl", [record(i) for i in range(3000)])
    with start("score", path) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


# --- interruptions ------------------------------------------------------------------------------

MANY = 12_000
ARGS = ("--estimators", "tokens")


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    return write_evidence(folder / "e.jsonl", (record(i) for i in range(MANY)))


@pytest.fixture(scope="module")
def expected(long_file: Path) -> bytes:
    done = run("score", long_file, "--out", long_file.with_name("whole.jsonl"), *ARGS)
    assert done.code == 0
    return long_file.with_name("whole.jsonl").read_bytes()


def interrupted(evidence: Path, out: Path, how: int, after: int) -> tuple[Done, bytes]:
    """The command, ended from outside once `after` bytes are written, and what it left."""
    part = out.with_name(out.name + ".part")
    with start("score", evidence, "--out", out, *ARGS) as process:
        until = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size >= after):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.001)
        process.send_signal(how)
        return wait(process), part.read_bytes()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_work_goes_on_and_ends_as_if_nothing_had_happened(
    long_file: Path, expected: bytes, tmp_path: Path, how: signal.Signals
) -> None:
    out = tmp_path / "s.jsonl"
    size = 1
    for _ in range(2):
        done, left = interrupted(long_file, out, how, size)
        if how is signal.SIGINT:
            assert done.code == 130 and "what was finished is kept" in done.err
        assert not out.exists()
        whole = left[: left.rfind(b"\n") + 1]
        assert whole and expected.startswith(whole)
        size = len(left) + 1  # the second interruption comes after new work
    done = run("score", long_file, "--out", out, *ARGS, "--json")
    assert "of an interrupted run" in done.err
    assert out.read_bytes() == expected
    assert sorted(path.name for path in tmp_path.glob("s.jsonl*")) == ["s.jsonl"]
    told = done.document
    assert (told["records"], told["scored"]) == (MANY, MANY)
    assert told["went_on_after"] == whole.count(b"\n")
    assert told["estimators"]["g_nll"]["available"] == MANY


@pytest.fixture
def left_behind(here: Here, tmp_path: Path) -> Iterator[Path]:
    """What is left of a run that was killed after 3 of 5 records, the last line torn."""
    write_evidence(tmp_path / "e.jsonl", [*(record(i) for i in range(4)), "broken"])
    assert here("score", "e.jsonl", "--out", "s.jsonl", "--estimators", "g_nll").code == 2
    part = tmp_path / "s.jsonl.part"
    part.write_bytes(part.read_bytes()[:-20])
    yield part


def went_on_after(here: Here, *options: str) -> int:
    done = here(
        *("score", "e.jsonl", "--out", "s.jsonl", "--on-error", "skip", "--json"),
        *(options or ("--estimators", "g_nll")),
    )
    assert done.code == 0
    found = done.document["went_on_after"]
    assert isinstance(found, int)
    assert [line["id"] for line in lines_of(Path("s.jsonl"))] == ["q0", "q1", "q2", "q3"]
    return found


def test_a_torn_line_is_cut_and_written_anew(here: Here, left_behind: Path) -> None:
    assert went_on_after(here) == 3
    assert not left_behind.exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--estimators", "perplexity"),
        ("--estimators", "g_nll", "--content-filter", "off"),
        ("--estimators", "g_nll", "--details"),
        ("--estimators", "g_nll", "--similarity", "lexical"),
    ],
)
def test_other_options_begin_anew(here: Here, left_behind: Path, options: tuple[str, ...]) -> None:
    assert went_on_after(here, *options) == 0


def test_another_state_of_the_file_begins_anew(here: Here, left_behind: Path) -> None:
    path = Path("e.jsonl")
    path.write_text(path.read_text() + "\n")
    assert went_on_after(here) == 0


def test_lines_of_other_records_are_not_taken_over(here: Here, left_behind: Path) -> None:
    lines = left_behind.read_bytes().splitlines(keepends=True)
    left_behind.write_bytes(lines[0] + lines[2] + lines[1])
    assert went_on_after(here) == 1


# --- whatever comes -----------------------------------------------------------------------------


def test_ten_thousand_fuzzed_records_never_give_a_nan_or_a_broken_line(tmp_path: Path) -> None:
    draw = random.Random(20)
    path = write_evidence(tmp_path / "e.jsonl", (fuzzed_line(draw) for _ in range(10_000)))
    out = tmp_path / "s.jsonl"
    done = run(
        *("score", path, "--out", out, "--estimators", "tokens,samples,semantic,around"),
        *("--details", "--on-error", "skip", "--json"),
    )
    assert done.code == 0, done.err
    told = done.document
    assert told["scored"] + told["skipped"] == 10_000
    assert told["scored"] > 9_000
    count = 0
    with out.open(encoding="utf-8") as lines:
        for line in lines:
            count += 1
            signals = json.loads(line, parse_constant=pytest.fail)["signals"]
            assert list(signals) == list(told["estimators"])
            for name, one in signals.items():
                if "unavailable" in one:
                    assert one["unavailable"] and "failed" not in one["unavailable"], (name, one)
                else:
                    assert 0.0 <= one["value"] <= 1.0
    assert count == told["scored"]
    assert told["estimators"]["g_nll"]["available"] > 500
