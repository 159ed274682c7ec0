"""Training the torch critic: what it learns, what it must not see, and going on after a kill."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.critic_torch_data import split_records, target_labels
from surefoot.adapters.critic_torch_model import log_odds_of
from surefoot.adapters.critic_torch_settings import TrainingSettings, cost_of_risk
from surefoot.adapters.critic_torch_training import TrainedCritic, train_torch_critic
from surefoot.router.critic.states import CriticState, Labels, StateRecord
from surefoot.router.errors import ConfigurationError, StoreCorrupt, UsageError

from .critic_practice import PASSAGE_COUNT, practice, settings, tiny_base

pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_base(tmp_path_factory.mktemp("base") / "tiny")


def weights(trained: TrainedCritic) -> dict[str, Any]:
    net = trained.net
    return {
        **{f"encoder.{name}": one for name, one in net.encoder.state_dict().items()},
        **{f"head.{name}": one for name, one in net.head.state_dict().items()},
    }


def same(one: TrainedCritic, other: TrainedCritic) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(
        bool((first[name] == second[name]).all()) for name in first
    )


def test_it_learns_both_targets_and_reports_them_on_other_questions(base: str) -> None:
    trained = train_torch_critic(practice(120), settings(base), device="cpu")
    report = trained.report
    assert report.states + report.dev_states == 360
    assert (report.questions, report.dev_questions) == (90, 30)
    assert [target.target for target in report.targets] == ["accept", "sufficient"]
    for target in report.targets:
        assert target.auroc_within is not None and target.auroc_within > 0.9
        assert target.brier is not None and target.brier < 0.15
        assert target.always_reject == pytest.approx(1 - target.base_rate)
        assert [one.round for one in target.rounds] == [1, 2, 3]
    assert set(trained.calibration) == {"accept", "sufficient"}
    assert report.warnings == ()
    assert report.metrics["accept"]["n"] == report.targets[0].n == 90
    assert set(report.metrics["sufficient"]) >= {"base_rate", "auroc_within", "auroc_round", "ece"}


def test_a_frozen_encoder_stays_as_it_was(base: str) -> None:
    chosen = settings(base, freeze=True, epochs=30, head_rate=1e-2)
    calls: list[tuple[int, int]] = []
    trained = train_torch_critic(
        practice(120), chosen, device="cpu", progress=lambda *told: calls.append(told)
    )
    fresh = train_torch_critic(practice(24), settings(base, freeze=True, epochs=1), device="cpu")
    for name, one in weights(trained).items():
        assert bool((one == weights(fresh)[name]).all()) == name.startswith("encoder.") or (
            name.startswith("head.norm")
        )
    areas = [target.auroc_within or 0.0 for target in trained.report.targets]
    assert min(areas) > 0.8
    assert calls[0][1] == 360 and (360, 360) in calls


def test_features_beside_the_text_are_scaled_and_used(base: str) -> None:
    # The text says nothing here: a question that fills the limit leaves no room for passages.
    draw = random.Random(1)
    filler = ["the", "what", "is", "not", "large", "small"]
    records = [
        replace(
            one,
            state=replace(
                one.state, question=f"{one.thread_id} {' '.join(draw.choices(filler, k=14))}"
            ),
        )
        for one in practice(120, answers=False)
    ]
    without = train_torch_critic(records, settings(base), device="cpu")
    beside = train_torch_critic(records, settings(base), features=PASSAGE_COUNT, device="cpu")
    assert without.report.truncated == 1.0
    assert (without.report.targets[0].auroc_within or 1.0) < 0.75
    assert (beside.report.targets[0].auroc_within or 0.0) > 0.99
    mean = beside.scale.mean[0]
    assert beside.scale.factor[0] == pytest.approx(1 / math.sqrt(mean * (1 - mean)))
    assert beside.scale.scaled([math.nan]) == [0.0]
    assert beside.scale.scaled([1e9]) == [6.0]


def test_the_same_seed_gives_the_same_weights_and_another_one_others(base: str) -> None:
    records = practice(40)
    chosen = settings(base, epochs=2)
    first, again = (train_torch_critic(records, chosen, device="cpu") for _ in range(2))
    assert same(first, again)
    assert not same(first, train_torch_critic(records, replace(chosen, seed=1), device="cpu"))


class Killed(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("at", [1, 4, 7, 8])
def test_after_a_kill_it_ends_with_the_weights_of_one_that_was_not_interrupted(
    base: str, tmp_path: Path, freeze: bool, at: int
) -> None:
    records = practice(40)
    chosen = settings(base, epochs=4, batch=40, freeze=freeze)  # 3 steps an epoch
    whole = train_torch_critic(records, chosen, device="cpu", checkpoints=tmp_path / "whole")
    steps: list[int] = []

    def kill(done: int, of: int) -> None:
        if of == 12:
            steps.append(done)
            if done == at and steps.count(at) == 1:
                raise Killed

    with pytest.raises(Killed):
        train_torch_critic(
            records, chosen, device="cpu", checkpoints=tmp_path / "killed", progress=kill
        )
    resumed = train_torch_critic(
        records, chosen, device="cpu", checkpoints=tmp_path / "killed", progress=kill
    )
    assert same(whole, resumed)
    assert resumed.report.looks == whole.report.looks
    assert steps[at] == 3 * ((at - 1) // 3) + 1  # it went on after the last look before the kill


def test_a_finished_training_is_not_done_again(base: str, tmp_path: Path) -> None:
    chosen = settings(base, epochs=1)
    whole = train_torch_critic(practice(40), chosen, device="cpu", checkpoints=tmp_path)
    steps: list[int] = []
    again = train_torch_critic(
        practice(40),
        chosen,
        device="cpu",
        checkpoints=tmp_path,
        progress=lambda done, of: steps.append(done),
    )
    assert steps == []
    assert same(whole, again)


def test_a_checkpoint_of_another_training_is_refused(base: str, tmp_path: Path) -> None:
    train_torch_critic(practice(40), settings(base, epochs=1), device="cpu", checkpoints=tmp_path)
    with pytest.raises(ConfigurationError, match="other data"):
        train_torch_critic(
            practice(41), settings(base, epochs=1), device="cpu", checkpoints=tmp_path
        )
    with pytest.raises(ConfigurationError, match="other settings"):
        train_torch_critic(
            practice(40), settings(base, epochs=2), device="cpu", checkpoints=tmp_path
        )
    (tmp_path / "checkpoint.safetensors").write_bytes(b"{}")
    with pytest.raises(StoreCorrupt, match="delete it"):
        train_torch_critic(
            practice(40), settings(base, epochs=1), device="cpu", checkpoints=tmp_path
        )


def test_it_ends_at_the_first_look_after_its_time_and_goes_on_with_more(
    base: str, tmp_path: Path
) -> None:
    ticks = iter(range(0, 100_000, 30))
    short = settings(base, epochs=3, max_minutes=1.0)
    trained = train_torch_critic(
        practice(40), short, device="cpu", checkpoints=tmp_path, clock=lambda: float(next(ticks))
    )
    assert trained.report.ended == "out of its 1 minutes"
    assert len(trained.report.looks) == 2
    assert any("depend on the machine" in one for one in trained.report.warnings)
    more = train_torch_critic(
        practice(40), replace(short, max_minutes=None), device="cpu", checkpoints=tmp_path
    )
    assert more.report.ended == "all steps"
    assert more.report.looks[:2] == trained.report.looks
    whole = train_torch_critic(practice(40), replace(short, max_minutes=None), device="cpu")
    assert same(whole, more)


def test_it_ends_when_it_gets_no_better(base: str) -> None:
    trained = train_torch_critic(
        practice(40),
        settings(base, epochs=60, patience=2, encoder_rate=1e-12, head_rate=1e-12),
        device="cpu",
    )
    assert trained.report.ended == "no better in 2 looks"
    assert len(trained.report.looks) == 3


def test_a_critic_that_says_the_same_of_everything_is_an_error_with_advice(base: str) -> None:
    records = practice(40)
    told: list[int] = []
    with pytest.raises(UsageError, match=r"(collapsed|no number).*lower learning rate"):
        train_torch_critic(
            records,
            settings(base, epochs=40, encoder_rate=30.0, head_rate=30.0, warm_up=0.0),
            device="cpu",
            progress=lambda done, of: told.append(done),
        )
    assert told[-1] < 40 * 3


def test_no_question_is_on_both_sides_and_the_prior_stays() -> None:
    records = practice(100)
    train, dev = split_records(records, 0.2, seed=3)
    assert {one.group for one in train}.isdisjoint({one.group for one in dev})
    assert len({one.group for one in dev}) == 20
    assert len(train) + len(dev) == 300

    def share(part: list[StateRecord]) -> float:
        return sum(bool(one.labels.sufficient) for one in part) / len(part)

    assert share(train) == pytest.approx(share(dev), abs=0.05)


def test_a_right_label_without_an_answer_is_no_label() -> None:
    labels = Labels(em=True, sufficient=True)
    assert target_labels(StateRecord("t", CriticState("q", " "), labels=labels)) == (None, 1)
    assert target_labels(StateRecord("t", CriticState("q", "a"), labels=labels)) == (1, 1)
    assert target_labels(StateRecord("t", CriticState("q", "a"))) == (None, None)


def test_without_answers_only_sufficiency_is_learned_and_it_says_so(base: str) -> None:
    trained = train_torch_critic(
        practice(60, answers=False), settings(base, epochs=1), device="cpu"
    )
    assert set(trained.calibration) == {"sufficient"}
    assert any("p(accept) was not learned" in one for one in trained.report.warnings)


@pytest.mark.parametrize("sufficient", [None, True])
def test_states_of_one_kind_are_refused(base: str, sufficient: bool | None) -> None:
    records = [
        replace(one, labels=replace(one.labels, sufficient=sufficient)) for one in practice(20)
    ]
    with pytest.raises(UsageError, match="label_sufficient"):
        train_torch_critic(records, settings(base), device="cpu")


def test_too_few_states_to_stop_by_are_refused(base: str) -> None:
    with pytest.raises(UsageError, match="fewer folds or more questions"):
        train_torch_critic(practice(3), settings(base, epochs=1), device="cpu")
    # One question of 40 is sufficient, and is dealt last: to the part that is trained on.
    rare = [
        replace(one, labels=Labels(sufficient=one.thread_id == "0"))
        for one in practice(40, answers=False)
    ]
    with pytest.raises(UsageError, match="all are of one"):
        train_torch_critic(rare, settings(base, epochs=1), device="cpu")


def test_states_that_do_not_fit_are_left_out_and_counted(base: str) -> None:
    records = practice(60)
    long = replace(records[0], state=replace(records[0].state, question="the " * 50))
    trained = train_torch_critic([long, *records[1:]], settings(base, epochs=1), device="cpu")
    assert trained.report.skipped == 1
    assert any("left out" in one for one in trained.report.warnings)


def test_a_limit_that_the_base_cannot_read_is_refused(base: str) -> None:
    with pytest.raises(ConfigurationError, match="at most 24 tokens"):
        train_torch_critic(practice(20), settings(base, limit=25), device="cpu")


def test_the_cost_of_a_risk() -> None:
    assert cost_of_risk(0.2) == pytest.approx(4.0)
    assert TrainingSettings().false_accept_cost == pytest.approx(4.0)
    with pytest.raises(UsageError):
        cost_of_risk(1.0)


def test_a_costlier_wrong_acceptance_lowers_what_the_network_says(base: str) -> None:
    records = practice(60)

    def mean(cost: float) -> float:
        trained = train_torch_critic(
            records, settings(base, epochs=4, false_accept_cost=cost), device="cpu"
        )
        forms = [trained.net.reader.form(one.state) for one in records]
        return float(log_odds_of(trained.net, forms, [()] * len(forms))[:, 0].mean())

    assert mean(8.0) < mean(1.0) - 0.25


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"dropout": 1.0},
        {"head_rate": 0.0},
        {"dev_share": 0.0},
        {"false_accept_cost": math.nan},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError):
        TrainingSettings(**wrong)
