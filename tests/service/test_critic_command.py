"""`surefoot critic train` and `critic eval`, as a user runs them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from surefoot.router.critic.labels import label_answer
from surefoot.router.critic.states import CriticState, StateRecord
from surefoot.router.critic.states_file import state_row
from surefoot.router.evidence import Passage
from surefoot.router.tables import write_lines

from ..tiny_encoders import tiny_sentence
from .doors import Here

CITIES = ("Paris", "Rome", "Oslo", "Bonn", "Lima", "Cairo")


def practice(file: Path, questions: int, seed: int) -> Path:
    """Closed book, then one search; an answer that a passage holds is mostly right."""
    rng, rows = random.Random(seed), []
    for number in range(questions):
        gold, other = rng.sample(CITIES, 2)
        name = seed * 1000 + number
        question = f"Which city lies on river {name}?"
        guess = gold if rng.random() < 0.3 else other
        is_found = rng.random() < 0.6
        text = f"River {name} flows through {gold}." if is_found else "Rivers are long."
        passage = Passage(f"p{name}", f"River {name}" if is_found else "Rivers", text, 3.0)
        answer = gold if is_found and rng.random() < 0.9 else other
        states = (
            CriticState(question, guess),
            CriticState(question, answer, "", (passage,), 1, (guess,), (question,)),
        )
        for state, sufficient in zip(states, (False, is_found), strict=True):
            labels = label_answer(state.answer, [gold], sufficient)
            rows.append(state_row(StateRecord(f"t{name}", state, (gold,), labels)))
    write_lines(file, rows)
    return file


@pytest.fixture
def trained(here: Here, tmp_path: Path) -> Path:
    folder = tmp_path / "critic"
    states = practice(tmp_path / "train.jsonl", 120, 1)
    ended = here("critic", "train", str(states), "--out", str(folder), "--json")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert document["kind"] == "features"
    assert (document["states"], document["questions"]) == (240, 120)
    assert document["metrics"]["accept"]["auroc_within"] > 0.6
    return folder


def test_trained_on_some_questions_and_judged_on_others(
    here: Here, tmp_path: Path, trained: Path
) -> None:
    states, out = practice(tmp_path / "eval.jsonl", 150, 2), tmp_path / "judged.jsonl"
    arguments = ["critic", "eval", str(states), "--model", str(trained), "--out", str(out)]
    ended = here(*arguments, "--report", str(tmp_path / "report"), "--json")
    assert ended.code == 0
    document: dict[str, Any] = json.loads(ended.out)
    assert document["accept_auroc_pooled"] > 0.8
    assert document["accept_always_reject"] == pytest.approx(1 - document["accept_base_rate"])
    assert document["sufficient_n"] == 300
    drift = document["drift"]
    assert (drift["status"], drift["features"], drift["foreign"]) == ("not seen", [], [])
    assert drift["comparisons"] > 20 and drift["level"] == 0.01
    low, high = document["accept_auroc_within_interval"]
    assert low < document["accept_auroc_within"] < high
    # A perfect critic would stop early where the guess is right: between one and two calls.
    assert document["stop_rules"]["always round 1"]["calls"] == 2.0
    assert document["stop_rules"]["best with hindsight"]["quality"] >= max(
        point["quality"] for point in document["stop_curve"]
    )
    given = [json.loads(line) for line in states.read_text().splitlines()]
    judged = [json.loads(line) for line in out.read_text().splitlines()]
    assert [{name: row[name] for name in one} for one, row in zip(given, judged, strict=True)] == (
        given
    )
    assert all(
        0.0 <= row["p_accept"] <= 1.0 and 0.0 <= row["p_sufficient"] <= 1.0 for row in judged
    )
    files = {one.name for one in (tmp_path / "report").iterdir()}
    assert files == {"eval.json", "reliability.png", "within_rounds.png", "stopping.png"}
    assert json.loads((tmp_path / "report" / "eval.json").read_text()) == document
    card = (trained / "README.md").read_text()
    assert "train.jsonl" in card and "Limits" in card


def test_the_shipped_critic_on_states_without_labels(here: Here, tmp_path: Path) -> None:
    file, out = tmp_path / "states.jsonl", tmp_path / "out.jsonl"
    row = {"thread_id": "t", "question": "Who?", "round": 0, "passages": [], "answer": ""}
    write_lines(file, [row])
    ended = here("critic", "eval", str(file), "--out", str(out))
    assert ended.code == 0
    assert "no state has a label for it" in ended.out
    assert "no thread has several rounds" in ended.out
    judged = json.loads(out.read_text())
    assert judged["p_accept"] is None
    assert 0.0 <= judged["p_sufficient"] <= 1.0


def test_the_screen_holds_every_number_beside_a_trivial_rule(here: Here, tmp_path: Path) -> None:
    states = practice(tmp_path / "eval.jsonl", 80, 3)
    ended = here("critic", "eval", str(states))
    assert ended.code == 0
    assert "always refusing" in ended.out and "the round alone" in ended.out
    assert "best with hindsight" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "there is no state"),
        ('{"thread_id": "t"}\n', "states.jsonl:1: field 'question'"),
        ('{"thread_id": "t", "question": "q", "round": -1}\n', "field 'round'"),
        ("{\n", "states.jsonl:1: not JSON"),
    ],
)
def test_bad_states_are_named(here: Here, tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "states.jsonl"
    file.write_text(content)
    for command in (("eval",), ("train", "--out", str(tmp_path / "c"))):
        ended = here("critic", command[0], str(file), *command[1:])
        assert ended.code == 2
        assert "states.jsonl" in ended.err
        assert words in " ".join(ended.err.split())
    assert not (tmp_path / "c").exists()


def test_what_cannot_be_meant_is_refused(here: Here, tmp_path: Path) -> None:
    few = practice(tmp_path / "few.jsonl", 5, 4)
    ended = here("critic", "train", str(few), "--out", str(tmp_path / "c"))
    assert (ended.code, "at least 50" in " ".join(ended.err.split())) == (2, True)
    assert here("critic", "eval", str(few), "--model", str(tmp_path / "none")).code == 2
    ended = here("critic", "train", str(few), "--out", str(tmp_path / "c"), "--full")
    assert (ended.code, "--kind torch" in ended.err) == (2, True)


def test_numbers_without_labels_are_null(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "states.jsonl"
    write_lines(file, [{"thread_id": "t", "question": "Who?", "round": 0, "answer": "Ann"}])
    bare = here("critic", "eval", str(file), "--json").document
    full = here("critic", "eval", str(practice(tmp_path / "e.jsonl", 30, 6)), "--json").document
    assert set(bare) == set(full)
    assert bare["accept_n"] == 0 and bare["accept_auroc_within"] is None
    assert bare["accept_strata"] == [] and bare["certified"] is None
    assert full["accept_n"] == 60


def test_a_broken_line_is_named_by_its_number(here: Here, tmp_path: Path) -> None:
    file = practice(tmp_path / "states.jsonl", 3, 5)
    lines = file.read_text().splitlines()
    row = json.loads(lines[3])
    row["passages"][0]["score"] = "high"
    lines[3] = json.dumps(row)
    file.write_text("\n".join(lines))
    ended = here("critic", "eval", str(file))
    ended.check_complaint(2)
    assert "states.jsonl:4: field 'passages[0].score'" in " ".join(ended.err.split())


def test_two_states_of_one_place_must_agree(here: Here, tmp_path: Path) -> None:
    file = practice(tmp_path / "states.jsonl", 3, 5)
    twice = here("critic", "eval", str(file), str(file), "--json").document
    assert twice["states"] == 6
    other = file.read_text().replace('"Rivers are long."', '"Rivers are short."')
    (tmp_path / "other.jsonl").write_text(
        other.replace('"answer": "', '"answer": "X').replace('"answer":"', '"answer":"X')
    )
    ended = here("critic", "eval", str(file), str(tmp_path / "other.jsonl"))
    ended.check_complaint(2, "other.jsonl:1", "has another state of round 0")


def test_a_threshold_is_tried_on_other_questions(here: Here, tmp_path: Path, trained: Path) -> None:
    states = practice(tmp_path / "eval.jsonl", 300, 7)
    given = ["critic", "eval", str(states), "--model", str(trained), "--precision", "0.5"]
    found = here(*given, "--json").document["certified"]
    assert (found["precision"], found["delta"]) == (0.5, 0.1)
    assert found["lower_limit"] >= 0.5 and found["right"] <= found["accepted"] <= 150
    assert found["held_out"]["threads"] == 150
    shown = here(*given).out
    assert f"p(accept) >= {found['threshold']:.2f} certifies" in shown
    assert "On the other half" in shown


def test_a_torch_critic_on_a_tiny_encoder(here: Here, tmp_path: Path) -> None:
    states, folder = practice(tmp_path / "train.jsonl", 60, 8), tmp_path / "torch"
    base = f"transformers:{tiny_sentence(tmp_path / 'encoder')}"
    given = ("critic", "train", str(states), "--kind", "torch", "--base", base)
    document = here(*given, "--out", str(folder), "--device", "cpu", "--json").document
    assert document["kind"] == "torch"
    assert document["metrics"]["sufficient"]["auroc_pooled"] > 0.8  # from the features beside it
    left = {one.name for one in folder.iterdir()}
    assert left == {"critic.json", "model.safetensors", "README.md"}  # no checkpoint stays
    judged = here("critic", "eval", str(states), "--model", str(folder), "--json").document
    assert judged["version"] == document["version"]
    assert judged["accept_n"] == 120
    # Other states in the same folder start anew.
    others = practice(tmp_path / "others.jsonl", 60, 9)
    again = here(*given[:2], str(others), *given[3:], "--out", str(folder), "--device", "cpu")
    assert again.code == 0


def test_a_critic_is_recalibrated_on_few_states(here: Here, tmp_path: Path, trained: Path) -> None:
    before = (trained / "critic.json").read_bytes()
    few, out = practice(tmp_path / "few.jsonl", 60, 3), tmp_path / "new"
    command = ("critic", "recalibrate", few, "--model", trained, "--out", out, "--json")
    document = here(*command).document
    assert document["out"] == str(out) and document["states"] == 120
    assert document["accept_n"] == document["sufficient_n"] == 120
    assert document["accept_why"] is None and 0.0 <= document["accept_ece_after"] <= 1.0
    assert (trained / "critic.json").read_bytes() == before
    judged = here("critic", "eval", few, "--model", out, "--json").document
    assert judged["version"] == document["version"] != json.loads(before)["version"]
    old = here("critic", "eval", few, "--model", trained, "--json").document
    assert judged["accept_auroc_within"] == pytest.approx(old["accept_auroc_within"])
    assert "Recalibrated from" in (out / "README.md").read_text()


def test_what_has_no_labels_stays_as_it_is(here: Here, tmp_path: Path, trained: Path) -> None:
    few = practice(tmp_path / "few.jsonl", 60, 3)
    rows = [json.loads(line) for line in few.read_text().splitlines()]
    write_lines(few, [{**row, "label_sufficient": None} for row in rows])
    out = tmp_path / "new"
    done = here("critic", "recalibrate", few, "--model", trained, "--out", out)
    assert done.code == 0 and "sufficient: as it was (0 labeled states" in done.out
    labels = ("label_em", "label_f1", "label_contains", "label_sufficient")
    write_lines(few, [{**row, **dict.fromkeys(labels)} for row in rows])
    done = here("critic", "recalibrate", few, "--model", trained, "--out", tmp_path / "no")
    done.check_complaint(2, "nothing can be recalibrated")
    assert not (tmp_path / "no").exists()
    done = here("critic", "recalibrate", few, "--model", trained, "--out", trained)
    done.check_complaint(2, "is the critic itself")


@pytest.mark.slow
def test_a_torch_critic_is_recalibrated_without_training(here: Here, tmp_path: Path) -> None:
    states, base = practice(tmp_path / "train.jsonl", 60, 1), tiny_sentence(tmp_path / "base")
    folder, out = tmp_path / "critic", tmp_path / "new"
    base_of = ("--kind", "torch", "--base", f"transformers:{base}")
    assert here("critic", "train", states, "--out", folder, *base_of, "--json").code == 0
    few = practice(tmp_path / "few.jsonl", 60, 3)
    document = here(
        "critic", "recalibrate", few, "--model", folder, "--out", out, "--json"
    ).document
    assert document["accept_n"] == 120
    judged = here("critic", "eval", few, "--model", out, "--json").document
    old = here("critic", "eval", few, "--model", folder, "--json").document
    assert judged["version"] == document["version"] != old["version"]
    assert judged["accept_auroc_within"] == pytest.approx(old["accept_auroc_within"])
    assert judged["accept_ece"] <= old["accept_ece"] + 0.02


def test_states_of_another_kind_are_noticed(here: Here, tmp_path: Path, trained: Path) -> None:
    plain = practice(tmp_path / "eval.jsonl", 100, 3)
    rows = [json.loads(line) for line in plain.read_text().splitlines()]
    for row in rows:
        row["answer"] = f"It could be {row['answer']}, " * 12
    odd = tmp_path / "odd.jsonl"
    write_lines(odd, rows)
    arguments = ["critic", "eval", str(odd), "--model", str(trained)]
    drift = json.loads(here(*arguments, "--json").out)["drift"]
    assert drift["status"] == "drifted" and drift["features"]
    shown = " ".join(here(*arguments).out.split())
    assert "states are not like those that the critic was fitted on" in shown
    assert "what has changed most" in shown and "recalibrate the critic" in shown
