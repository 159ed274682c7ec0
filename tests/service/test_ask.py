"""`surefoot ask`: one question, one gated answer, and every way in which it can go wrong."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.adapters.weights import KNOWN_WEIGHTS, find_weights

from ..redis_fixture import RedisServer
from .doors import PROGRAM, Here, run, start, wait, write_config
from .endpoint import Asked, Endpoint, Says

FRANCE = "What is the capital of France?"
MONA = "Who painted the Mona Lisa?"
OTHER = "Who composed the Kestrel hymn?"
DOCS = ("[retrieval]", 'docs = "docs"')


def test_a_sure_answer_of_the_small_tier_ends_at_once(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    done = here("ask", FRANCE, "--config", write_config(tmp_path, endpoint))
    assert done.code == 0
    assert endpoint.models() == ["small"]
    assert "│ Paris" in done.out
    assert "→ answer" in done.out
    assert done.err == ""


def test_an_unsure_answer_escalates(here: Here, endpoint: Endpoint, tmp_path: Path) -> None:
    done = here("ask", MONA, "--config", write_config(tmp_path, endpoint), "--json")
    document = done.document
    assert done.code == 0
    assert endpoint.models() == ["small", "large"]
    assert document["answer"] == "Leonardo da Vinci"
    assert document["tier_name"] == "large"
    assert [step["action"] for step in document["trail"]] == ["escalate", "answer"]
    # 100 tokens in at 1 and 10 out at 2 a million, twice.
    assert document["cost"] == pytest.approx(2 * (100 * 1.0 + 10 * 2.0) / 1e6)


def test_nobody_is_sure_so_it_abstains_with_code_4(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    config = write_config(tmp_path, endpoint)
    done = here("ask", OTHER, "--config", config)
    assert done.code == 4
    assert "I do not know." in done.out
    assert "The best guess was: Lyon" in done.out
    document = here("ask", OTHER, "--config", config, "--json").document
    assert (document["action"], document["answer"]) == ("abstain", None)
    assert document["best"]["answer"] == "Lyon"


# --- the question -------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["", "   ", "\t\n"])
def test_an_empty_question_is_bad_usage(
    here: Here, endpoint: Endpoint, tmp_path: Path, question: str
) -> None:
    done = here("ask", question, "--config", write_config(tmp_path, endpoint))
    done.check_complaint(2, "the question is empty")
    assert endpoint.asked == []


def test_an_enormous_question_is_refused_before_any_call(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    done = here("ask", "word " * 210_000, "--config", write_config(tmp_path, endpoint))
    done.check_complaint(2, "the largest tier takes 2,048", "shorten the question")
    assert len(done.err) < 500  # the question itself is not repeated
    assert endpoint.asked == []


def test_bytes_that_are_no_text_are_a_question_all_the_same(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    config = write_config(tmp_path, endpoint)
    done = run("ask", b"caf\xe9?", "--config", config, "--json", PYTHONUTF8="1")
    assert done.code == 4
    assert "Traceback" not in done.err
    assert endpoint.asked[0].question == "caf\N{REPLACEMENT CHARACTER}?"


@pytest.mark.parametrize(
    ("option", "value"), [("--max-cost", "nan"), ("--max-cost", "-1"), ("--deadline", "inf")]
)
def test_limits_must_be_finite_numbers_from_0(
    here: Here, endpoint: Endpoint, tmp_path: Path, option: str, value: str
) -> None:
    done = here("ask", FRANCE, "--config", write_config(tmp_path, endpoint), option, value)
    done.check_complaint(2, option)


def test_a_limit_of_the_command_line_holds(here: Here, endpoint: Endpoint, tmp_path: Path) -> None:
    config = write_config(tmp_path, endpoint)
    # A draft is forecast with 48 tokens of answer at least, 2 a million each.
    done = here("ask", FRANCE, "--config", config, "--max-cost", "0.00001", "--json")
    assert done.code == 4
    assert "would bring the cost to" in done.document["reason"]
    assert here("ask", FRANCE, "--config", config, "--deadline", "0").code == 4
    assert endpoint.asked == []


# --- the configuration and the documents --------------------------------------------------------


def test_a_configuration_that_is_not_there(here: Here) -> None:
    here("ask", FRANCE, "--config", "nope.toml").check_complaint(2, "nope.toml: cannot be read")


def test_an_unknown_name_is_told_with_the_file_and_the_nearest(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    rest = ("[retrieval]", "enabled = false", "[signals]", 'free = ["perplexty"]')
    config = write_config(tmp_path, endpoint, rest=rest)
    done = here("ask", FRANCE, "--config", config)
    done.check_complaint(2, "signals.free", "'perplexity'", str(config))


def test_an_unknown_price_turns_the_money_budget_off_visibly(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    config = write_config(tmp_path, endpoint, price='"unknown"')
    done = here("ask", FRANCE, "--config", config, "--max-cost", "0", "--json")
    assert done.code == 0
    (degraded,) = done.document["degraded"]
    assert degraded == "the money budget is off: no price is known for small, large"
    assert f"degraded: {degraded}" in here(
        "ask", FRANCE, "--config", config, "--max-cost", "0"
    ).out.replace("\n", "")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_text("text"), "is a file, not a folder"),
        (lambda path: path.mkdir(), "holds no document that can be read"),
        (lambda path: path.symlink_to(path), "cannot be read"),
    ],
    ids=["missing", "a file", "empty", "a link to itself"],
)
def test_a_folder_of_documents_that_is_none(
    here: Here, endpoint: Endpoint, tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    docs = tmp_path / "docs"
    make(docs)
    config = write_config(tmp_path, endpoint)
    done = here("ask", FRANCE, "--docs", docs, "--config", config)
    done.check_complaint(2, str(docs), words, "configured by")
    assert endpoint.asked == []


def test_the_command_line_s_paths_start_where_it_is_given(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    folder = tmp_path / "configuration"
    folder.mkdir()
    config = write_config(folder, endpoint)
    done = here("ask", FRANCE, "--config", config, "--history", "sqlite:///mine.db", "--json")
    assert done.document["degraded"] == []
    assert (tmp_path / "mine.db").is_file()
    assert not (folder / "mine.db").exists()


def test_documents_are_searched_and_kept_up_to_date(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "lamp.html").write_text("<h1>Lamps</h1><p>The Olbers lamp is by Mina Korhonen.</p>")
    (docs / "bridge.md").write_text("# Bridges\n\nThe Fisk bridge was built by Ada Merrow.\n")
    (docs / "river.txt").write_text("The Vemora flows through Tarrant.\n")
    config = write_config(tmp_path, endpoint)

    def shown(question: str) -> str:
        endpoint.asked.clear()
        document = here("ask", question, "--docs", "docs", "--config", config, "--json").document
        assert document["trail"][0]["action"] == "retrieve"
        assert document["rounds"] == 1
        return endpoint.asked[1].shown

    assert "by Mina Korhonen" in shown("Who made the Olbers lamp?")
    assert "built by Ada Merrow" in shown("Who built the Fisk bridge?")
    assert "through Tarrant" in shown("Where does the Vemora flow?")
    (docs / "bridge.md").write_text("# Bridges\n\nThe Fisk bridge was built by Tove Lind.\n")
    assert "built by Tove Lind" in shown("Who built the Fisk bridge?")


# --- models -------------------------------------------------------------------------------------


def test_no_model_answers_so_it_abstains_and_says_why(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.answers = {("small", ""): Says("", status=500), ("large", ""): Says("", status=503)}
    done = here("ask", FRANCE, "--config", write_config(tmp_path, endpoint), "--json")
    assert done.code == 4
    assert [step["outcome"].split(":")[0] for step in done.document["trail"]] == [
        "failed (unavailable)",
        "failed (unavailable)",
    ]


def test_weights_that_are_not_the_pinned_ones_are_refused(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package's file stands in for a download that went wrong: a table entry expects another.
    published = KNOWN_WEIGHTS["smollm2-135m"]
    other = replace(published, sha256="0" * 64)
    known = {"smollm2-135m": other}
    monkeypatch.setitem(find_weights.__kwdefaults__ or {}, "known", known)
    (tmp_path / "s.toml").write_text(
        '[[tiers]]\nname = "small"\nmodel = "local:smollm2-135m"\n'
        "price = { input = 0.0, output = 0.0 }\n[policy]\nthresholds = { small = 0.5 }\n"
    )
    done = here("ask", FRANCE, "--config", "s.toml")
    if "is not installed" in done.err:
        pytest.skip(done.err)
    done.check_complaint(2, "expected SHA-256 0000", published.sha256, "pip install", "s.toml")


# --- the history --------------------------------------------------------------------------------


def test_an_equal_question_is_recognized_unless_nothing_is_remembered(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    config = write_config(tmp_path, endpoint, history="sqlite:///h.db")
    assert not here("ask", FRANCE, "--config", config, "--json").document["recognized"]
    again = here("ask", "what is the capital  of france", "--config", config, "--json").document
    assert again["recognized"] and again["answer"] == "Paris" and again["cost"] == 0.0
    assert again["trail"][0]["outcome"].endswith("asked before")
    assert endpoint.models() == ["small"]
    fresh = here("ask", FRANCE, "--config", config, "--history", "none", "--json").document
    assert not fresh["recognized"]
    assert endpoint.models() == ["small", "small"]


def test_what_was_answered_under_another_threshold_or_signal_is_asked_again(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    def recognized(**changes: object) -> bool:
        config = write_config(tmp_path, endpoint, history="sqlite:///h.db", **changes)  # type: ignore[arg-type]  # any of its options
        return bool(here("ask", FRANCE, "--config", config, "--json").document["recognized"])

    signals = ("[retrieval]", "enabled = false", "[signals]", 'free = ["min_token_prob"]')
    assert not recognized()
    assert recognized()
    assert not recognized(policy="thresholds = { small = 0.8, large = 0.6 }")
    assert not recognized(rest=signals)


def test_a_corrupt_history_degrades_and_stays_as_it_is(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database, whatever its name says" * 100)
    before = broken.read_bytes()
    config = write_config(tmp_path, endpoint, history="sqlite:///broken.db")
    done = here("ask", FRANCE, "--config", config, "--json")
    assert done.code == 0
    assert done.document["answer"] == "Paris"
    assert all(str(broken) in what for what in done.document["degraded"])
    assert len(done.document["degraded"]) == 2  # neither recalled nor recorded
    assert broken.read_bytes() == before
    shown = here("ask", FRANCE, "--config", config)
    assert shown.code == 0
    assert shown.out.count("degraded: history:") == 1


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "sqlite:////proc/nowhere/history.db"])
def test_a_history_that_cannot_be_reached_degrades(
    here: Here, endpoint: Endpoint, tmp_path: Path, url: str
) -> None:
    config = write_config(tmp_path, endpoint, history=url)
    done = here("ask", FRANCE, "--config", config, "--json")
    assert done.code == 0
    assert [what.split(":")[0] for what in done.document["degraded"]] == ["history", "history"]
    assert here("ask", OTHER, "--config", config).code == 4


def test_a_history_that_goes_in_the_middle_degrades(
    here: Here,
    endpoint: Endpoint,
    tmp_path: Path,
    start_redis: Callable[..., RedisServer],
) -> None:
    redis = start_redis()
    config = write_config(tmp_path, endpoint, history=redis.url)
    assert here("ask", FRANCE, "--config", config, "--json").document["degraded"] == []

    def end(asked: Asked) -> None:
        redis.kill()

    endpoint.before = end
    done = here("ask", MONA, "--config", config, "--json")
    assert (done.code, done.document["answer"]) == (0, "Leonardo da Vinci")
    assert len(done.document["degraded"]) == 1  # it was recalled, and could not be recorded
    assert done.document["trail"][-1]["request"] == "record"


# --- leaving early ------------------------------------------------------------------------------


def test_ctrl_c_ends_with_130_and_loses_nothing(endpoint: Endpoint, tmp_path: Path) -> None:
    config = write_config(tmp_path, endpoint, history="sqlite:///h.db")
    assert run("ask", FRANCE, "--config", config).code == 0
    asked, go_on = threading.Event(), threading.Event()

    def hold(_: Asked) -> None:
        asked.set()
        go_on.wait(30)

    endpoint.before = hold
    process = start("ask", MONA, "--config", config)
    try:
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        done = wait(process)
    finally:
        go_on.set()
        process.kill()
    assert done.code == 130
    assert "interrupted" in done.err
    assert "Traceback" not in done.err
    endpoint.before = None
    with sqlite3.connect(tmp_path / "h.db") as history:
        assert history.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert history.execute("SELECT COUNT(*) FROM history_runs").fetchone() == (1,)
    history.close()
    again = run("ask", FRANCE, "--config", config, "--json")
    assert again.document["recognized"]


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["trail", "json"])
def test_a_reader_that_leaves_changes_nothing(
    endpoint: Endpoint, tmp_path: Path, form: tuple[str, ...]
) -> None:
    config = write_config(tmp_path, endpoint, history="sqlite:///h.db")
    gone = threading.Event()

    def hold(_: Asked) -> None:
        gone.wait(30)

    endpoint.before = hold
    process = start("ask", OTHER, "--config", config, *form)
    assert process.stdout is not None
    process.stdout.close()
    gone.set()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4  # as it would have been with a reader
    assert err == b""
    with sqlite3.connect(tmp_path / "h.db") as history:
        assert history.execute("SELECT COUNT(*) FROM history_runs").fetchone() == (1,)
    history.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["trail", "json"])
def test_results_that_cannot_be_written_are_a_failure(
    endpoint: Endpoint, tmp_path: Path, form: tuple[str, ...]
) -> None:
    config = str(write_config(tmp_path, endpoint))
    command = (*PROGRAM, "ask", FRANCE, "--config", config, *form)
    with open("/dev/full", "wb") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": ""}  # the interpreter flushes once more
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=environment, timeout=60
        )
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("surefoot: the results could not be written: [Errno 28]")
