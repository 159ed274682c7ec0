"""AUROC on real samples (../shared/data/uq/README.md); skipped where they are not at hand."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from surefoot.router.answers import answer_class
from surefoot.router.batch import Batch, BatchEstimator
from surefoot.router.estimators.catalogue import estimator
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.metrics import auroc
from surefoot.router.signals import Signal

STORED = Path(__file__).resolve().parents[4] / "shared/data/uq/triviaqa_llama13b_dev.jsonl.gz"

pytestmark = pytest.mark.skipif(not STORED.exists(), reason="the shared data is not here")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    with gzip.open(STORED, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def measured(rows: list[dict[str, Any]], name: str, m: int) -> float:
    """Over the first m samples; right where the first sample of the largest class is."""
    records, correct = [], []
    for row in rows:
        texts = row["samples"][:m]
        classes = [answer_class(text) for text in texts]
        first = classes.index(Counter(classes).most_common(1)[0][0])
        correct.append(row["correct_heuristic"][first])
        samples = tuple(map(Generation, texts))
        records.append(Evidence(row["question"], Generation("(not judged)"), samples=samples))
    found = estimator(name)
    assert isinstance(found, BatchEstimator)
    readings = found.estimate_batch(Batch(records))
    scores = [reading.score for reading in readings if isinstance(reading, Signal)]
    result = auroc(scores, correct)
    assert isinstance(result, float)
    return result


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("self_consistency", (0.842, 0.871, 0.894, 0.883)),
        ("lexical_similarity", (0.857, 0.860, 0.873, 0.860)),
        ("answer_entropy", (0.842, 0.866, 0.886, 0.867)),
        ("num_distinct", (0.842, 0.857, 0.873, 0.849)),
    ],
)
def test_auroc_on_real_samples(
    rows: list[dict[str, Any]], name: str, expected: tuple[float, ...]
) -> None:
    found = [measured(rows, name, m) for m in (3, 5, 10, 20)]
    assert found == pytest.approx(expected, abs=1e-3)
