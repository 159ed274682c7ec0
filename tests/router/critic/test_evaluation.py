"""The numbers of an evaluation, against counts by hand and scikit-learn's."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from surefoot.router.critic.evaluation import calls_of, judged_rows, quality_of, threads_of
from surefoot.router.critic.states import CriticState, Labels, StateRecord
from surefoot.router.evidence import CriticVerdict, Passage


def record(
    thread: str = "t",
    round_: int = 0,
    em: bool | None = None,
    f1: float | None = None,
    sufficient: bool | None = None,
    passages: int = 0,
    **extra: Any,
) -> StateRecord:
    shown = tuple(Passage(str(place), "", "text", 1.0) for place in range(passages))
    state = CriticState(f"question {thread}", "answer", passages=shown, round=round_)
    return StateRecord(thread, state, labels=Labels(em, f1, None, sufficient), extra=extra)


def verdicts(*numbers: float | None) -> list[CriticVerdict]:
    return [CriticVerdict(p, 0.5) for p in numbers]


def test_only_known_labels_that_were_judged_count() -> None:
    records = [record(em=True), record(), record(em=False), record(em=False, f1=0.9)]
    said = verdicts(0.9, 0.8, None, 0.1)
    assert [(row.p, row.label) for row in judged_rows(records, said, "accept")] == [
        (0.9, 1),
        (0.1, 1),  # other words for it
    ]
    exact = judged_rows(records, said, "accept", "em")
    assert [(row.p, row.label) for row in exact] == [(0.9, 1), (0.1, 0)]
    assert judged_rows(records, said, "sufficient") == []
    assert quality_of([]) is None


def test_four_states_by_hand() -> None:
    labels, said = (True, False, True, False), (0.8, 0.6, 0.4, 0.2)
    records = [record(str(i), round_=i // 2, em=one) for i, one in enumerate(labels)]
    quality = quality_of(judged_rows(records, verdicts(*said), "accept"))
    assert quality is not None
    assert (quality.n, quality.base_rate, quality.always_reject) == (4, 0.5, 0.5)
    # Accepted: .8 (right) and .6 (wrong); refused: .4 (right) and .2 (wrong).
    assert (quality.accuracy, quality.precision, quality.recall) == (0.5, 0.5, 0.5)
    assert quality.brier == pytest.approx((0.04 + 0.36 + 0.36 + 0.04) / 4)
    assert quality.ece == pytest.approx((0.2 + 0.6 + 0.6 + 0.2) / 4)
    assert quality.auroc_pooled == 0.75  # 3 of 4 pairs in order
    assert quality.auroc_round == 0.5
    assert quality.auroc_within is None  # too few of a class in either round
    assert quality.ece_by_round == pytest.approx({0: (0.2 + 0.6) / 2, 1: (0.6 + 0.2) / 2})


def test_a_threshold_that_nobody_reaches_has_no_precision() -> None:
    rows = judged_rows([record(em=True), record("u", em=False)], verdicts(0.4, 0.3), "accept")
    quality = quality_of(rows, 0.9)
    assert quality is not None
    assert (quality.precision, quality.recall, quality.accuracy) == (None, 0.0, 0.5)


def test_areas_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, brier_score_loss, precision_score, roc_auc_score

    rng, records, said, labels, rounds = random.Random(6), [], [], [], []
    for place in range(400):
        round_, p = place % 4, rng.random()
        right = rng.random() < 0.7 * p + 0.1 * round_
        records.append(record(str(place), round_, em=right, passages=2 * round_))
        said.append(p)
        labels.append(int(right))
        rounds.append(round_)
    quality = quality_of(judged_rows(records, verdicts(*said), "accept"))
    assert quality is not None
    within = [
        roc_auc_score(
            [one for one, at in zip(labels, rounds, strict=True) if at == round_],
            [one for one, at in zip(said, rounds, strict=True) if at == round_],
        )
        for round_ in range(4)
    ]
    assert quality.auroc_within == pytest.approx(sum(within) / 4)  # equally many in each
    assert [one.key for one in quality.strata] == [(0, 0), (1, 2), (2, 4), (3, 6)]
    assert [one.auroc for one in quality.strata] == pytest.approx(within)
    assert quality.auroc_pooled == pytest.approx(roc_auc_score(labels, said))
    assert quality.auroc_round == pytest.approx(roc_auc_score(labels, rounds))
    assert quality.brier == pytest.approx(brier_score_loss(labels, said))
    accepted = [int(p >= 0.5) for p in said]
    assert quality.accuracy == pytest.approx(accuracy_score(labels, accepted))
    assert quality.precision == pytest.approx(precision_score(labels, accepted))


def test_calls_as_recorded_or_as_they_must_have_been() -> None:
    assert [calls_of(record(round_=round_)) for round_ in range(4)] == [1.0, 1.0, 2.0, 2.0]
    assert calls_of(record(round_=3, calls=3.35)) == 3.35
    assert calls_of(record(calls=True)) == calls_of(record(calls=-1)) == 1.0


def test_threads_are_runs_of_labeled_rounds() -> None:
    records = [
        record("a", 1, em=True, passages=2),
        record("b", 0, em=False),
        record("a", 0, em=False, f1=0.9),
        record("b", 1),  # nobody knows
        record("c", 1, em=True, passages=1),
        record("c", 1, em=True, passages=2),  # no run: one round twice
    ]
    judged = verdicts(0.7, 0.1, None, 0.2, 0.3, 0.4)
    assert [one.right for one in threads_of(records, judged)["a"]] == [True, True]  # in other words
    found = threads_of(records, judged, "em")
    assert set(found) == {"a"}
    first, second = found["a"]
    assert (first.p_accept, first.right, first.calls, first.passages) == (None, False, 1.0, 0)
    assert (second.p_accept, second.right, second.calls, second.passages) == (0.7, True, 2.0, 2)


def test_a_round_without_a_whole_answer_is_not_right() -> None:
    cut = replace(record("a", 1), gold=("Paris",))
    cut = replace(cut, state=replace(cut.state, answer=""))
    found = threads_of([record("a", 0, em=True), cut], verdicts(0.9, None))
    assert [one.right for one in found["a"]] == [True, False]
