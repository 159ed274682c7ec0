"""The torch critic at work: whose verdict is whose, what it reads, and on which bases it stands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.adapters.critic_torch_encoder import open_encoder
from surefoot.adapters.critic_torch_files import (
    critic_of,
    load_torch_critic,
    save_torch_critic,
)
from surefoot.adapters.critic_torch_model import TorchCritic
from surefoot.adapters.critic_torch_reader import HEAD, PASSAGES, StateReader
from surefoot.adapters.critic_torch_training import train_torch_critic
from surefoot.router.critic.states import CriticState
from surefoot.router.errors import (
    ConfigurationError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamUnavailable,
    WeightsError,
)
from surefoot.router.evidence import Passage

from ..tiny_encoders import POSITIONS, WORDS, tiny_sentence
from .critic_practice import practice, settings, tiny_base, tiny_modernbert, tiny_t5

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

STATES = [record.state for record in practice(30, seed=9)]


@pytest.fixture(scope="module")
def critic(tmp_path_factory: pytest.TempPathFactory) -> TorchCritic:
    base = tiny_base(tmp_path_factory.mktemp("base") / "tiny")
    return critic_of(train_torch_critic(practice(120), settings(base), device="cpu"))


def test_verdicts_tell_the_answer_and_the_passages_apart(critic: TorchCritic) -> None:
    state = CriticState("capital 7 ?", "paris", passages=(Passage("p", "", "it is paris", 1.0),))
    wrong_answer = replace(state, answer="rome")
    wrong_passage = replace(state, passages=(Passage("p", "", "it is rome", 1.0),))
    good, refused, lacking = critic.judge([state, wrong_answer, wrong_passage])
    assert good.p_accept is not None and refused.p_accept is not None
    assert good.p_accept > 0.6 > 0.3 > refused.p_accept
    assert good.p_sufficient > 0.6 > 0.3 > lacking.p_sufficient
    assert good.version == critic.version


def test_a_verdict_does_not_depend_on_its_neighbors(critic: TorchCritic) -> None:
    together = critic.judge(STATES)
    for state, one in zip(STATES, together, strict=True):
        (alone,) = critic.judge([state])
        assert alone.p_accept == pytest.approx(one.p_accept, abs=1e-5)
        assert alone.p_sufficient == pytest.approx(one.p_sufficient, abs=1e-5)
    assert critic.judge([]) == []


def test_without_an_answer_there_is_nothing_to_accept(critic: TorchCritic) -> None:
    first, second = critic.judge([replace(STATES[0], answer=" \n"), STATES[0]])
    assert first.p_accept is None and 0.0 <= first.p_sufficient <= 1.0
    assert second.p_accept is not None


def test_each_round_has_its_own_curve(critic: TorchCritic) -> None:
    rounds = [replace(STATES[0], round=n) for n in (1, 3)]
    pools = critic.calibration["sufficient"].pools
    assert len(critic.judge(rounds)) == 2
    assert pools[0].first == 1 and pools[-1].last == 3


def test_what_has_no_room_is_said(critic: TorchCritic) -> None:
    long = replace(STATES[0], passages=(Passage("p", "", "paris " * 50, 1.0),))
    too_long = replace(STATES[0], question="what is " * 30)
    short, cut = critic.judge([STATES[0], long])
    assert (short.truncated, cut.truncated) == (False, True)
    with pytest.raises(UpstreamRefused, match="larger limit"):
        critic.judge([STATES[0], too_long])


def test_several_threads_may_judge_at_once(critic: TorchCritic) -> None:
    expected = critic.judge(STATES)
    found: list[object] = []

    def judge() -> None:
        found.append(critic.judge(STATES) == expected)

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


def test_weights_that_give_no_number_are_an_error(critic: TorchCritic) -> None:
    bias = critic.net.head["accept"].bias
    kept = bias.detach().clone()
    try:
        with torch.no_grad():
            bias.fill_(float("nan"))
        with pytest.raises(UpstreamMalformed):
            critic.judge(STATES[:1])
    finally:
        with torch.no_grad():
            bias.copy_(kept)


def test_a_machine_without_memory_is_an_error_of_the_run(
    critic: TorchCritic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(critic.net, "pooled", fail)
    with pytest.raises(UpstreamUnavailable, match="out of memory"):
        critic.judge(STATES[:1])


@pytest.mark.parametrize("make", [tiny_t5, tiny_modernbert])
@pytest.mark.parametrize("freeze", [False, True])
def test_other_families_train_and_travel_too(
    make: Callable[[Path], str], freeze: bool, tmp_path: Path
) -> None:
    chosen = settings(make(tmp_path / "base"), epochs=2, freeze=freeze)
    trained = train_torch_critic(practice(30), chosen, device="cpu")
    assert trained.net.kind in ("t5", "modernbert")
    assert not any("decoder" in name for name in trained.net.encoder.state_dict())
    save_torch_critic(trained, tmp_path / "critic")
    read = load_torch_critic(tmp_path / "critic", device="cpu")
    for one, other in zip(read.judge(STATES), critic_of(trained).judge(STATES), strict=True):
        assert one.p_sufficient == pytest.approx(other.p_sufficient, abs=1e-6)


def reader(folder: Path, limit: int = POSITIONS) -> StateReader:
    return StateReader(open_encoder(tiny_sentence(folder)).tokenizer, limit)


def test_the_parts_of_a_text_are_marked(tmp_path: Path) -> None:
    own = reader(tmp_path)
    states = [
        CriticState("paris ?", passages=(Passage("p", "", "it is rome", 1.0),)),
        CriticState("paris ?"),
    ]
    batch = own.batch([own.form(state) for state in states])
    ids = batch.inputs["input_ids"]
    cls, sep = WORDS.index("[CLS]"), WORDS.index("[SEP]")
    # [CLS] question : paris ? round : 0 [SEP] it is rome [SEP]
    assert batch.parts[0].tolist() == [0] + [HEAD] * 7 + [0] + [PASSAGES] * 3 + [0]
    assert batch.parts[1].tolist() == [0] + [HEAD] * 7 + [0] * 5
    assert ids[0].tolist()[0] == cls
    assert [place for place, one in enumerate(ids[0].tolist()) if one == sep] == [8, 12]


def test_a_control_token_in_a_passage_is_text(tmp_path: Path) -> None:
    own = reader(tmp_path)
    planted = CriticState("?", passages=(Passage("p", "", "rome [SEP] [CLS]", 1.0),))
    batch = own.batch([own.form(planted)])
    control = {WORDS.index(word) for word in ("[CLS]", "[SEP]")}
    inside = batch.inputs["input_ids"][0][batch.parts[0] == PASSAGES].tolist()
    assert inside and control.isdisjoint(inside)


def test_no_text_is_longer_than_the_limit(tmp_path: Path) -> None:
    own = reader(tmp_path, 20)
    states = [
        CriticState("paris ?", passages=tuple(Passage(str(i), "", "it is rome", 1.0) for i in p))
        for p in ((), range(1), range(9))
    ]
    batch = own.batch([own.form(state) for state in states])
    assert batch.inputs["input_ids"].shape[1] == 20
    with pytest.raises(ConfigurationError, match="at least 16"):
        reader(tmp_path, 8)


def test_a_damaged_base_is_refused(tmp_path: Path) -> None:
    folder = tiny_sentence(tmp_path / "base")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="copy the model anew"):
        open_encoder(folder)
