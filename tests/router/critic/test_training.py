"""What training looks at, and what it must not: questions whole, added rows never scored."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from surefoot.router.critic import fit_critic
from surefoot.router.critic.fit_critic import CriticRecipe, data_digest, train_feature_critic
from surefoot.router.critic.fit_heads import HeadRecipe
from surefoot.router.critic.heads import Head, Line
from surefoot.router.critic.states import CriticState, Labels, StateRecord
from surefoot.router.critic.training_rows import training_rows
from surefoot.router.evidence import Passage

PLAIN = CriticRecipe(HeadRecipe(trees=5, bags=1), HeadRecipe(trees=5, bags=1))


def practice(questions: int = 80) -> list[StateRecord]:
    """Two threads a question, three rounds each, with reasons and unshown scores."""
    rng, found = random.Random(11), []
    for number in range(questions):
        for thread in range(2):
            previous: tuple[str, ...] = ()
            for round_ in range(3):
                right, sufficient = rng.random() < 0.5, rng.random() < 0.4
                text = f"paris lies on river {number}" if sufficient else "rivers are long"
                answer = "paris" if right else rng.choice(["rome", "oslo"])
                state = CriticState(
                    f"Which city lies on river {number}?",
                    answer,
                    "The river is long.",
                    (Passage(f"{number}-{round_}", "", text, 2.0),) * round_,
                    round_,
                    previous,
                    unshown_scores=(1.0, 0.5),
                )
                labels = Labels(em=right, sufficient=sufficient)
                found.append(StateRecord(f"{number}/{thread}", state, labels=labels))
                previous = (*previous, answer)
    return found


class Watched:
    """Stands in for the fit: notes which rows it was shown, and scores by a line."""

    def __init__(self) -> None:
        self.seen: list[set[str]] = []
        self.weights: list[Sequence[float]] = []

    def __call__(
        self,
        rows: Sequence[Mapping[str, float]],
        labels: Sequence[int],
        weights: Sequence[float],
        recipe: HeadRecipe,
    ) -> Head:
        self.seen.append({str(row["number"]) for row in rows})
        self.weights.append(weights)
        return Head(("number",), 0.0, (), Line(0.0, (0.0,), (40.0,), (1.0,)))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Features that say nothing but the number of the question."""
    found = Watched()
    monkeypatch.setattr(fit_critic, "fit_head", found)
    monkeypatch.setattr(
        "surefoot.router.critic.training_rows.critic_features",
        lambda state: {"number": float(state.question.split()[-1].rstrip("?"))},
    )
    return found


def test_every_question_is_held_out_once_and_whole(watched: Watched) -> None:
    train_feature_critic(practice(), PLAIN)
    # Five folds and the whole: p(accept) with a head of closed book beside each, p(sufficient).
    assert len(watched.seen) == 18
    everything = watched.seen[10]
    assert len(everything) == 80 and watched.seen[11] == watched.seen[17] == everything
    for folds in (watched.seen[:10:2], watched.seen[1:10:2], watched.seen[12:17]):
        left_out = [everything - seen for seen in folds]
        # Were threads of one question parted, less than a fifth would be absent from each fold.
        assert [len(one) for one in left_out] == [16] * 5
        assert set().union(*left_out) == everything


def test_a_wrong_answer_weighs_what_it_costs(watched: Watched) -> None:
    records = practice()
    train_feature_critic(records, CriticRecipe(PLAIN.accept, PLAIN.sufficient, accept_weight=4.0))
    in_order = sorted(records, key=lambda record: (record.thread_id, record.state.round))
    rows = training_rows(in_order, "accept")
    assert list(watched.weights[10]) == [1.0 if row.label else 4.0 for row in rows]
    closed = [row for row in rows if row.record.state.round == 0]
    assert list(watched.weights[11]) == [1.0 if row.label else 4.0 for row in closed]
    assert set(watched.weights[17]) == {1.0}  # sufficiency has no such cost


def test_too_few_closed_book_answers_have_no_head_of_their_own() -> None:
    later = [record for record in practice() if record.state.round or record.group[-2:] == "1?"]
    made = train_feature_critic(later, PLAIN)
    assert made.accept.closed_book is None
    assert train_feature_critic(practice(), PLAIN).accept.closed_book is not None


def test_what_training_adds_is_never_scored() -> None:
    records = practice()
    rows = training_rows(records, "accept")
    # 160 threads of three rounds: each state, each without its reasons, and 1 + 2 turned answers.
    assert [sum(row.is_real for row in rows), len(rows)] == [480, 480 + 480 + 160 * 3]
    card = train_feature_critic(records, PLAIN).card
    assert card["metrics"]["accept"]["n"] == card["metrics"]["sufficient"]["n"] == 480
    share = sum(bool(one.labels.accept) for one in records) / 480
    assert card["metrics"]["accept"]["base_rate"] == pytest.approx(share, abs=1e-4)


def test_some_states_are_shown_without_the_unshown_scores() -> None:
    rows = training_rows(practice(), "sufficient")
    added = [row for row in rows if not row.is_real]
    assert 0.3 < len(added) / 480 < 0.5
    again = training_rows(list(reversed(practice())), "sufficient")
    names = {(row.record.thread_id, row.record.state.round) for row in added}
    assert names == {
        (row.record.thread_id, row.record.state.round) for row in again if not row.is_real
    }


def test_labels_that_mean_nothing_are_learned_as_nothing() -> None:
    rng = random.Random(12)
    records = [
        replace(one, labels=Labels(em=rng.random() < 0.5, sufficient=rng.random() < 0.5))
        for one in practice()
    ]
    metrics = train_feature_critic(records, PLAIN).card["metrics"]
    assert metrics["accept"]["auroc_within"] == pytest.approx(0.5, abs=0.1)
    assert metrics["sufficient"]["auroc_within"] == pytest.approx(0.5, abs=0.1)


def test_the_digest_is_of_the_states_and_not_of_their_order() -> None:
    records = practice(3)
    assert data_digest(records) == data_digest(list(reversed(records)))
    assert data_digest(records) != data_digest(records[:-1])
