"""AUROC of agreement on recorded answers (../shared/data); skipped where they are not at hand."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from surefoot.router.batch import Batch
from surefoot.router.estimators.context_gain import ContextAgreement
from surefoot.router.estimators.cross_model_agreement import CrossModelAgreement
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.metrics import auroc
from surefoot.router.signals import Signal, Unavailable
from surefoot.router.text import contains_answer

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def agreement(rows: list[dict[str, str]], with_passages: str, alone: str) -> list[float]:
    found = ContextAgreement().estimate_batch(
        Batch(
            [
                Evidence(
                    row["question"],
                    Generation(row[with_passages]),
                    without_context=Generation(row[alone]),
                )
                for row in rows
            ]
        )
    )
    return [reading.score if isinstance(reading, Signal) else math.nan for reading in found]


def areas(
    rows: list[dict[str, str]], scores: list[float], labels: list[int]
) -> tuple[float, list[float]]:
    """AUROC over all rows that have a score, and within each data set."""
    kept = [i for i, score in enumerate(scores) if not math.isnan(score)]
    assert len(kept) > 0.99 * len(rows)
    found = []
    for name in ["", *sorted({row["dataset"] for row in rows})]:
        chosen = [i for i in kept if not name or rows[i]["dataset"] == name]
        area = auroc([scores[i] for i in chosen], [labels[i] for i in chosen])
        assert not isinstance(area, Unavailable)
        found.append(area)
    return found[0], found[1:]


def recorded(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        pytest.skip(f"recorded outcomes are absent: {path.name}")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_agreement_tells_right_answers_on_six_sets() -> None:
    """Llama-3.1-8B with one retrieval, right = a gold answer is contained: .736 is published."""
    rows = recorded(DATA / "rag" / "llama8b_rounds_dev.jsonl.gz")
    right = [int(any(contains_answer(row["oner"], gold) for gold in row["gold"])) for row in rows]
    pooled, within = areas(rows, agreement(rows, "oner", "nor"), right)
    assert pooled >= 0.73
    assert len(within) == 6 and sum(within) / 6 >= 0.70


def test_agreement_tells_right_answers_to_multi_hop_questions() -> None:
    """The two hardest of these sets, in a file of their own with its own labels."""
    rows = recorded(DATA / "uq" / "retrieve_or_not_dev.jsonl.gz")
    right = [row["rag_contains"] for row in rows]
    pooled, within = areas(rows, agreement(rows, "rag_one_retrieve", "no_retrieve"), right)
    assert pooled >= 0.66
    assert len(within) == 2 and min(within) >= 0.62


@pytest.mark.parametrize(
    ("tier", "peers", "least"),
    [(2, (0, 1, 3, 4), 0.915), (2, (0, 1), 0.745), (0, (1,), 0.82)],
)
def test_agreement_with_other_models_tells_right_answers(
    tier: int, peers: tuple[int, ...], least: float
) -> None:
    """TriviaQA, Llama 1B to 405B: the models above tell more than those below.

    For the 8B model all four others do better than its own verification, at .87.
    """
    answers: dict[str, dict[int, dict[str, Any]]] = {}
    for row in recorded(DATA / "routing" / "llama_triviaqa_test.jsonl.gz"):
        answers.setdefault(row["query_id"], {})[row["tier"]] = row
    scores, labels, verified = [], [], []
    for own in answers.values():
        given = Evidence(
            "q",
            Generation(own[tier]["answer"]),
            peers={str(peer): Generation(own[peer]["answer"]) for peer in peers},
        )
        signal = CrossModelAgreement().estimate(given)
        assert isinstance(signal, Signal)
        scores.append(signal.score)
        labels.append(int(own[tier]["loss"] == 0.0))
        verified.append(own[tier]["signals"]["self_verify"])
    found, own_word = auroc(scores, labels), auroc(verified, labels)
    assert not isinstance(found, Unavailable) and not isinstance(own_word, Unavailable)
    assert len(scores) == 1000
    assert found >= least
    if len(peers) == 4:
        assert found > own_word + 0.04
