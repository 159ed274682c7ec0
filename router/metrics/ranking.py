"""How well a confidence ranks answers: areas, and risk against coverage.

Rows with equal scores are one group everywhere: a curve inside such a group is its expectation
over random orders, so no number depends on the order of the rows. A number that does not exist
(one class only, no rows) is `Unavailable`; rows that make no sense raise `UsageError`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import UsageError
from ..signals import Unavailable

__all__ = [
    "auarc",
    "aurc",
    "auroc",
    "coverage_at_risk",
    "excess_aurc",
    "prr",
    "risk_coverage",
    "selective_accuracy",
]

_NO_ROWS = Unavailable("no rows")
_ONE_CLASS = Unavailable("only one class")


def auroc(scores: Sequence[float], correct: Sequence[int]) -> float | Unavailable:
    """P(score of a right answer > score of a wrong one) + half of P(equal), in [0, 1].

    Args:
        scores: higher is surer.
        correct: 1 for right, 0 for wrong.
    """
    if any(label not in (0, 1) for label in correct):
        raise UsageError("expected labels of 0 or 1")
    groups = _tie_groups(scores, correct)
    positives = sum(correct)
    negatives = len(scores) - positives
    if not positives or not negatives:
        return _ONE_CLASS if scores else _NO_ROWS
    below = 0.0
    wins = 0.0
    for _, labels in reversed(groups):
        right = sum(labels)
        wrong = len(labels) - right
        wins += right * (below + wrong / 2)
        below += wrong
    return wins / (positives * negatives)


def risk_coverage(
    scores: Sequence[float], losses: Sequence[float]
) -> tuple[tuple[float, float], ...]:
    """(coverage, risk) when the i surest answers are kept, i = 1..n; empty without rows.

    Risk is the mean loss of the kept answers. Inside a group of equal scores the sum of losses
    grows linearly, which is its expectation over the orders of the group.

    Args:
        scores: higher is surer.
        losses: in [0, 1]; 0 is right.
    """
    n = len(scores)
    sums = _expected_sums(scores, losses)
    return tuple((i / n, total / i) for i, total in enumerate(sums, start=1))


def aurc(scores: Sequence[float], losses: Sequence[float]) -> float | Unavailable:
    """Area under the risk-coverage curve: the mean risk over all n coverages. Lower is better.

    Source: Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks".
    """
    curve = risk_coverage(scores, losses)
    return math.fsum(risk for _, risk in curve) / len(curve) if curve else _NO_ROWS


def excess_aurc(scores: Sequence[float], losses: Sequence[float]) -> float | Unavailable:
    """AURC minus the AURC of the best possible ranking of the same losses, at least 0.

    Source: Geifman, Uziel and El-Yaniv 2019, "Bias-Reduced Uncertainty Estimation for Deep Neural
    Classifiers".
    """
    area, best = aurc(scores, losses), _best_aurc(losses)
    if isinstance(area, Unavailable) or isinstance(best, Unavailable):
        return _NO_ROWS
    return max(area - best, 0.0)


def auarc(scores: Sequence[float], losses: Sequence[float]) -> float | Unavailable:
    """Area under the accuracy-rejection curve, 1 - AURC: the mean accuracy over all n coverages.

    Source: Nadeem, Zucker and Hanczar 2009, "Accuracy-Rejection Curves (ARCs) for Comparing
    Classification Methods with a Reject Option".
    """
    area = aurc(scores, losses)
    return area if isinstance(area, Unavailable) else 1.0 - area


def prr(
    scores: Sequence[float], losses: Sequence[float], max_rejection: float = 1.0
) -> float | Unavailable:
    """Prediction rejection ratio: 1 for the best ranking, 0 for a random one, below for worse.

    (A - A_random) / (A_best - A_random), where A is the mean quality of what is kept, averaged
    over the floor(max_rejection * n) largest numbers of answers that one can keep. At full
    rejection this is (r - AURC) / (r - AURC of the best ranking), r the mean loss. Unavailable
    where all losses are equal, or where nothing is ever rejected: then every ranking is as good as
    any other.

    Args:
        max_rejection: in (0, 1]; 0.5 looks at the larger half of the coverages only.

    Source: Malinin and Gales 2021, "Uncertainty Estimation in Autoregressive Structured
    Prediction".
    """
    if not 0.0 < max_rejection <= 1.0:
        raise UsageError(f"expected a max_rejection above 0 and up to 1, got {max_rejection}")
    curve = risk_coverage(scores, losses)
    if not curve:
        return _NO_ROWS
    if min(losses) == max(losses):
        return _ONE_CLASS
    # 0.29 * 100 is a little less than 29 in floats.
    sizes = math.floor(max_rejection * len(curve) + 1e-9)
    if sizes < 2:
        return Unavailable(f"nothing is rejected of {len(curve)} rows up to {max_rejection}")
    best = risk_coverage([-loss for loss in losses], losses)
    mean = math.fsum(losses) / len(losses)
    area, least = (math.fsum(risk for _, risk in found[-sizes:]) / sizes for found in (curve, best))
    return (mean - area) / (mean - least)


def selective_accuracy(
    scores: Sequence[float], correct: Sequence[float], coverage: float
) -> float | Unavailable:
    """Accuracy of the surest ceil(coverage * n) answers, equal scores in expectation.

    Args:
        scores: higher is surer.
        correct: 1 for right, 0 for wrong, or a quality in between.
        coverage: in (0, 1].
    """
    if not 0.0 < coverage <= 1.0:
        raise UsageError(f"expected a coverage above 0 and up to 1, got {coverage}")
    sums = _expected_sums(scores, correct)
    if not sums:
        return _NO_ROWS
    # 0.07 * 100 is a little more than 7 in floats, and must not keep an eighth answer.
    kept = max(1, math.ceil(coverage * len(sums) - 1e-9))
    return sums[kept - 1] / kept


def coverage_at_risk(
    scores: Sequence[float], losses: Sequence[float], risk: float
) -> float | Unavailable:
    """The largest share of answers that one threshold keeps at a mean loss of at most `risk`.

    0 where no threshold does. A threshold keeps a group of equal scores whole or not at all.
    Describes these rows; it promises nothing about others.
    """
    groups = _tie_groups(scores, losses)
    if not groups:
        return _NO_ROWS
    kept, best = 0, 0
    lost = 0.0
    for _, group in groups:
        kept += len(group)
        lost += math.fsum(group)
        if lost <= risk * kept + 1e-12:
            best = kept
    return best / kept


def _tie_groups(
    scores: Sequence[float], values: Sequence[float]
) -> list[tuple[float, list[float]]]:
    """The values per distinct score, surest first."""
    if len(scores) != len(values):
        raise UsageError(f"expected one label per score, got {len(values)} for {len(scores)}")
    groups: dict[float, list[float]] = {}
    for row, (score, value) in enumerate(zip(scores, values, strict=True)):
        if not math.isfinite(score) or not 0.0 <= value <= 1.0:
            raise UsageError(
                f"expected a finite score and a label or loss in [0, 1], got {score} and {value} "
                f"in row {row}"
            )
        groups.setdefault(score, []).append(value)
    return [(score, groups[score]) for score in sorted(groups, reverse=True)]


def _expected_sums(scores: Sequence[float], values: Sequence[float]) -> list[float]:
    """The expected sum of the values of the i surest rows, i = 1..n."""
    sums: list[float] = []
    before = 0.0
    for _, group in _tie_groups(scores, values):
        total = math.fsum(group)
        sums += [before + total * i / len(group) for i in range(1, len(group) + 1)]
        before += total
    return sums


def _best_aurc(losses: Sequence[float]) -> float | Unavailable:
    return aurc([-loss for loss in losses], losses)
