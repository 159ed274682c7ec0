"""What a report tells, as plain values: whoever has replayed a policy fills it in.

Every part but the title may be missing: a replay of one question, without a gate, a certificate or
an abstention, makes a report too, and what is missing is left out or said in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..router.metrics.reliability import Bin

__all__ = [
    "ABSTAINED",
    "ANSWERED",
    "ASKED",
    "UNGATED",
    "Advice",
    "CertificateText",
    "CertifiedPoint",
    "Comparison",
    "CostQuality",
    "Estimates",
    "Flow",
    "Measure",
    "NamedPoint",
    "Provenance",
    "Reliability",
    "ReportContent",
    "RiskCoverage",
    "TargetRow",
    "Traffic",
    "Unit",
]

Unit = Literal["share", "number", "cost", "seconds"]
"""How a number is printed: in percent, with three decimals, with four digits, in seconds."""

Interval = tuple[float, float]

ASKED = "(asked)"
ANSWERED, UNGATED, ABSTAINED = "(answered)", "(served ungated)", "(abstained)"
"""Where flows of traffic begin and end; the names of rungs stand between."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number with its interval; `value` None where it does not exist.

    Attributes:
        note: what it means, in one line.
    """

    name: str
    value: float | None
    interval: Interval | None = None
    unit: Unit = "share"
    note: str = ""


@dataclass(frozen=True, slots=True)
class CertificateText:
    """What was certified, or why nothing was.

    Attributes:
        certified: True only where there is a certificate that holds.
        statement: the promise, or the reason why there is none, in a sentence or two.
        details: names and values, such as kind, alpha, delta, n, p-value, method, grid hash.
    """

    certified: bool
    statement: str
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TargetRow:
    """Target, achieved, interval; `met` None where nobody can say."""

    kind: str
    target: float
    achieved: float | None
    interval: Interval | None
    met: bool | None = None
    unit: Unit = "share"


@dataclass(frozen=True, slots=True)
class NamedPoint:
    """A rule with its mean cost per question and its quality."""

    name: str
    cost: float
    quality: float


@dataclass(frozen=True, slots=True)
class CostQuality:
    """What quality costs.

    Attributes:
        chosen: the policy in question, with intervals of both axes.
        baselines: rules beside it; the first called "always-small" and the first called
            "always-large" are the ends of the random mix.
        curve: (cost, quality) of other settings of the policy, by rising cost.
    """

    chosen: NamedPoint
    cost_interval: Interval | None = None
    quality_interval: Interval | None = None
    baselines: tuple[NamedPoint, ...] = ()
    curve: tuple[tuple[float, float], ...] = ()
    currency: str = ""


@dataclass(frozen=True, slots=True)
class CertifiedPoint:
    """Where the policy stands on the risk-coverage curve, and whether that is certified."""

    coverage: float
    risk: float
    interval: Interval | None = None
    certified: bool = False


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """(coverage, risk) by rising coverage; `alpha` is the risk that was asked for."""

    curve: tuple[tuple[float, float], ...]
    point: CertifiedPoint | None = None
    alpha: float | None = None


@dataclass(frozen=True, slots=True)
class Reliability:
    """Stated probabilities of one rung against what came."""

    rung: str
    bins: tuple[Bin, ...]
    ece: float | None = None


@dataclass(frozen=True, slots=True)
class Estimates:
    """How the estimates of one rung are spread, over bins of equal width on [0, 1].

    Attributes:
        right: per bin, how many attempts were right (their quality, where loss is graded);
            `wrong` likewise, and `unjudged` those without a loss.
        missing: attempts without an estimate.
        threshold: from which the rung answers; None where it has no gate.
    """

    rung: str
    right: tuple[float, ...]
    wrong: tuple[float, ...]
    unjudged: tuple[float, ...]
    missing: int = 0
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """The share of all questions that went from one place to another."""

    source: str
    target: str
    share: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where questions went.

    Attributes:
        rungs: in the order in which they are climbed; a flow leads to a later one only.
        flows: from `ASKED` or a rung to a rung, `ANSWERED`, `UNGATED` or `ABSTAINED`.
    """

    rungs: tuple[str, ...]
    flows: tuple[Flow, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of this replay, of another one, and their difference with its interval.

    Attributes:
        share_above: share of draws in which the difference is above 0.
    """

    name: str
    first: float
    second: float
    interval: Interval
    share_above: float
    unit: Unit = "share"


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice: a verdict in a word or two, and the reason with its numbers."""

    verdict: str
    text: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the report was computed on, and how to compute it again.

    Attributes:
        facts: names and values: counts, hashes, seeds, versions.
        command: that prints the same numbers.
    """

    facts: tuple[tuple[str, str], ...] = ()
    command: str = ""


@dataclass(frozen=True, slots=True)
class ReportContent:
    """A whole report; parts that are None or empty are left out or said in words."""

    title: str
    questions: int
    subtitle: str = ""
    level: float = 0.95
    headline: tuple[Measure, ...] = ()
    certificate: CertificateText | None = None
    targets: tuple[TargetRow, ...] = ()
    cost_quality: CostQuality | None = None
    risk_coverage: RiskCoverage | None = None
    reliability: tuple[Reliability, ...] = ()
    estimates: tuple[Estimates, ...] = ()
    traffic: Traffic | None = None
    compared_with: str = ""
    comparison: tuple[Comparison, ...] = ()
    advice: tuple[Advice, ...] = ()
    provenance: Provenance = Provenance()
