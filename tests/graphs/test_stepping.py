"""The step gate in a configuration, and drafts that it ends over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot.graphs.caller_prompter import CallerPrompter
from surefoot.graphs.config import Surroundings, build
from surefoot.graphs.places import Places
from surefoot.graphs.prompter import TemplatePrompter
from surefoot.graphs.settings import parse_settings
from surefoot.policies.step_gate import StepGate
from surefoot.router.callers import CallerRequest
from surefoot.router.errors import BadInput, ConfigurationError
from surefoot.router.protocols import Message

from ..service.test_fit_steps_command import TIERS


def around(folder: Path) -> Surroundings:
    return Surroundings(folder=folder, places=Places(folder / "cache", folder / "data"))


def test_thresholds_make_a_gate(tmp_path: Path) -> None:
    text = '[steps]\nthresholds = { small = 0.3 }\nsignal = "perplexity"\npositions = "tokens:8"'
    built = build(parse_settings(TIERS + text), around(tmp_path))
    gate = built.router.plan.prefix_gate
    assert isinstance(gate, StepGate) and list(gate.rules) == [0]
    rule = gate.rules[0]
    assert (rule.threshold, rule.reader.estimator.name) == (0.3, "perplexity")
    assert rule.reader.positions.name == "tokens:8"
    plain = build(parse_settings(TIERS), around(tmp_path))
    assert plain.router.plan.prefix_gate is None and not plain.router.plan.finish
    assert plain.router.performer.fingerprint != built.router.performer.fingerprint


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("thresholds = { tiny = 0.3 }", "steps.thresholds.tiny"),
        ('gates = { tiny = "a.json" }', "steps.gates.tiny"),
        ('gates = { small = "a.json" }\nthresholds = { small = 0.3 }', "steps.thresholds.small"),
        ("thresholds = { small = 1.3 }", "steps.thresholds.small"),
        ('thresholds = { small = 0.3 }\nsignal = "nonsense"', "steps.signal"),
        ('thresholds = { small = 0.3 }\nsignal = "self_consistency"', "steps.signal"),
        ('thresholds = { small = 0.3 }\npositions = "word"', "steps.positions"),
    ],
)
def test_mistakes_name_their_field(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        build(parse_settings(f"{TIERS}[steps]\n{text}"), around(tmp_path))
    assert raised.value.field == field


def test_a_gate_that_is_not_there(tmp_path: Path) -> None:
    settings = parse_settings(f'{TIERS}[steps]\ngates = {{ small = "a.json" }}')
    with pytest.raises(BadInput, match="cannot be read"):
        build(settings, around(tmp_path))


def test_a_chat_is_told_how_the_answer_begins() -> None:
    prompter = TemplatePrompter(("few_shot", "chat"))
    chat = prompter.go_on(1, "It is big. ", "Where?", (), ())
    assert "\n\nIt is big.\n\n" in chat.messages[0].content
    assert chat.messages[-1] == Message("user", "Where?")
    text = prompter.go_on(0, "It is big. ", "Where?", (), ())
    assert text.text.endswith("Question: Where?\nAnswer: It is big.")
    asked = CallerRequest((Message("system", "Be brief."), Message("user", "Where?")))
    own = CallerPrompter(asked, (False, True), prompter).go_on(1, "It is big. ", "Where?", (), ())
    assert [one.role for one in own.messages] == ["system", "system", "user"]
    assert own.messages[0].content == "Be brief."
    assert "It is big." in own.messages[1].content
