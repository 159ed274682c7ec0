"""The monitor on stored answers: questions as they come, and questions that got harder."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from surefoot.policies.monitor import MonitorSettings, run_monitor
from surefoot.policies.monitor_evidence import RungScores, rung_scores
from surefoot.policies.monitor_report import MonitorReport
from surefoot.policies.outcomes import Outcome, OutcomeTable, read_outcomes

from .traffic import BEGIN, DAY_S, promise
from .worlds import stored, table_of

SMALL, LARGEST, SIGNAL = 2, 4, "answer_prob"
ALPHA = 0.2


@pytest.fixture(scope="module")
def fitted() -> tuple[float, RungScores]:
    """The gate of the 8B tier before the 70B, set on the train part with room to spare."""
    rows = small_rows(read_outcomes(stored("llama_mmlu_train")))
    rows.sort(key=lambda row: -score_of(row))
    wrong, kept = 0.0, 0
    for number, row in enumerate(rows, start=1):
        wrong += row.loss or 0.0
        if wrong / number <= 0.75 * ALPHA:
            kept = number
    assert kept > 100
    return score_of(rows[kept - 1]), rung_scores(rows, SMALL, SIGNAL)


@pytest.fixture(scope="module")
def live() -> OutcomeTable:
    return read_outcomes(stored("llama_mmlu_test"))


def small_rows(table: OutcomeTable) -> list[Outcome]:
    return [row for row in table.rows() if row.tier == SMALL]


def score_of(row: Outcome) -> float:
    score = row.signals[SIGNAL]
    assert score is not None
    return score


def hard(table: OutcomeTable, row: Outcome) -> bool:
    """Whether the largest tier misses the question too."""
    (best,) = (r for r in table.queries[row.query_id].values() if r.tier == LARGEST)
    return best.loss == 1.0


def log_of(
    table: OutcomeTable, threshold: float, weight: float, n: int, seed: int
) -> tuple[OutcomeTable, float]:
    """Questions drawn with replacement, hard ones `weight` times as likely; the gated error."""
    rng = random.Random(seed)
    rows = sorted(small_rows(table), key=lambda row: row.query_id)
    weights = [weight if hard(table, row) else 1.0 for row in rows]
    logged = []
    for number, row in enumerate(rng.choices(rows, weights, k=n)):
        gate, pi = score_of(row) >= threshold, 0.25
        drawn = gate and rng.random() < pi
        extra = {
            "served": gate,
            "action": "answer" if gate else "escalate",
            "audited": drawn,
            "propensity": pi if gate else None,
            "ts": BEGIN + number,
        }
        loss = row.loss if drawn else None
        logged.append(replace(row, query_id=f"live{number:05}", loss=loss, extra=extra))
    gated = [
        (w, r.loss or 0.0) for w, r in zip(weights, rows, strict=True) if score_of(r) >= threshold
    ]
    error = sum(w * loss for w, loss in gated) / sum(w for w, _ in gated)
    return table_of(logged), error


def watched(
    fitted: tuple[float, RungScores], table: OutcomeTable, weight: float, seed: int
) -> tuple[MonitorReport, float]:
    threshold, scores = fitted
    log, error = log_of(table, threshold, weight, 6000, seed)
    told = promise(alpha=ALPHA)
    settings = MonitorSettings(least_propensity=0.25)
    state, report = run_monitor(log, told, (scores,), None, BEGIN + DAY_S, settings=settings)
    assert report.status == state.status
    return report, error


@pytest.mark.parametrize("seed", range(5))
def test_questions_as_they_come_keep_the_certificate(
    fitted: tuple[float, RungScores], live: OutcomeTable, seed: int
) -> None:
    report, error = watched(fitted, live, 1.0, seed)
    assert error <= ALPHA  # of these very questions
    assert report.counts.labelled > 200
    assert report.risk.e_alarm is None
    assert report.reaction.gates


@pytest.mark.parametrize("seed", range(5))
def test_questions_that_got_harder_revoke_it(
    fitted: tuple[float, RungScores], live: OutcomeTable, seed: int
) -> None:
    report, error = watched(fitted, live, 8.0, seed)
    assert error > ALPHA + 0.05
    assert report.status == "revoked"
    alarm = report.risk.e_alarm
    assert alarm is not None and alarm < report.risk.labels
    assert report.transitions[-1].kind == "risk_alarm"
