"""What a monitor has seen under one certificate: small, plain, and enough to go on from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from ..router.errors import UsageError
from ..router.risk.e_detector import EDetector
from ..router.risk.e_process import EProcess, audit_gain
from ..router.risk.score_drift import ScoreDrift, ScoreSummary, summarize_scores
from ..router.risk.source_target import SourceTarget
from ..router.risk.targets import RiskKind
from .monitor_feed import FeedProgress, LoggedRequest, unread
from .outcomes import Outcome

__all__ = [
    "AuditCounts",
    "MonitorEvidence",
    "Promise",
    "RungScores",
    "is_judged",
    "rung_scores",
]

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Promise:
    """What was certified, as far as a monitor needs it.

    Attributes:
        alpha: the promised risk, in (0, 1).
        kind: which risk.
        certificate: its id.
        certified_at: when, in seconds since the epoch.
        level: probability of ever revoking it wrongly, in (0, 1).
        max_age_s: how long it lasts.
        abstention_loss: loss of an abstention; of the system risk alone.
        source_upper: upper confidence limit of the risk at calibration. Where it is given, a live
            risk surely above it revokes too, though it may be below alpha.
        tested_on: names the labels that it was tested on, such as a hash of their file; empty where
            nobody knows.
    """

    alpha: float
    kind: RiskKind
    certificate: str
    certified_at: float
    level: float = 0.05
    max_age_s: float = 90.0 * _DAY_S
    abstention_loss: float = 0.0
    source_upper: float | None = None
    tested_on: str = ""


@dataclass(frozen=True, slots=True)
class RungScores:
    """The calibration scores of one rung: what its live scores are compared with.

    Attributes:
        retrieved: None stands for both.
        signal: the one that the rung's gate reads.
        summary: of the attempts that the policy reaches there.
    """

    tier: int
    signal: str
    summary: ScoreSummary
    retrieved: bool | None = None

    def score_of(self, row: Outcome) -> float | None:
        """The row's score; None where the signal is missing."""
        return row.signals.get(self.signal)

    def is_of(self, row: Outcome) -> bool:
        """Whether a row stands on this rung."""
        return row.tier == self.tier and self.retrieved in (None, row.retrieved)


def rung_scores(
    rows: Iterable[Outcome], tier: int, signal: str, *, retrieved: bool | None = None
) -> RungScores:
    """The scores of a rung, from the calibration rows that the policy reaches there.

    Raises:
        UsageError: no such row has the signal.
    """
    blank = RungScores(tier, signal, ScoreSummary(()), retrieved)
    found = (blank.score_of(row) for row in rows if blank.is_of(row))
    return replace(blank, summary=summarize_scores(found))


@dataclass(frozen=True, slots=True)
class AuditCounts:
    """How much was seen.

    Attributes:
        requests: of which `gated` were let through by a gate, `ungated` served without one,
            `abstained` not answered, and the rest not logged as either.
        drawn: served answers drawn for an audit.
        labelled: of these, those whose label has come.
        expected: draws that the logged propensities add up to.
        volunteered: labels that no draw asked for, which are not used.
        uncovered: gated answers without a propensity above 0, which no label can speak for.
        undrawn_run: gated answers since the latest draw.
    """

    requests: int = 0
    gated: int = 0
    ungated: int = 0
    abstained: int = 0
    drawn: int = 0
    labelled: int = 0
    expected: float = 0.0
    volunteered: int = 0
    uncovered: int = 0
    undrawn_run: int = 0

    def after(self, request: LoggedRequest, *, is_new: bool) -> AuditCounts:
        """With one more request, or with the label of one that was counted before."""
        labelled = self.labelled + int(request.loss is not None)
        if not is_new:
            return replace(self, labelled=labelled)
        gated = int(request.ending == "gated")
        return AuditCounts(
            self.requests + 1,
            self.gated + gated,
            self.ungated + int(request.ending == "ungated"),
            self.abstained + int(request.ending == "abstained"),
            self.drawn + int(request.drawn),
            labelled,
            self.expected + (request.propensity or 0.0),
            self.volunteered + int(request.volunteered),
            self.uncovered + (gated if not request.propensity else 0),
            0 if request.drawn else self.undrawn_run + gated,
        )


@dataclass(frozen=True, slots=True)
class MonitorEvidence:
    """The monitors of one promise, and how far they have read; a value, replaced by `after`.

    Attributes:
        least: the least propensity of the audit's design; weights rest on it.
        process: bets that the risk is above alpha.
        detector: the same question, judged by the time between false alarms.
        source: whether the risk is above that at calibration, and a lower limit of it.
        drift: one for each rung watched, in the order of the calibration scores.
    """

    promise: Promise
    least: float
    process: EProcess
    detector: EDetector
    source: SourceTarget
    drift: tuple[ScoreDrift, ...] = ()
    counts: AuditCounts = AuditCounts()
    progress: FeedProgress = field(default_factory=FeedProgress)
    skipped: int = 0

    @classmethod
    def begin(
        cls,
        promise: Promise,
        rungs: Sequence[RungScores] = (),
        *,
        least: float = 1.0,
        between: float = 10_000.0,
        drift_level: float = 0.01,
    ) -> MonitorEvidence:
        """Before anything was seen.

        Args:
            least: lower bound of all audit propensities, from the audit's design.
            between: labels between false alarms of the detector.
            drift_level: probability of ever raising a false drift alarm, over all rungs.
        """
        # Requests whose loss is known without a label count as steps of weight `least`.
        every = 100 if promise.kind == "selective" else round(100 / least)
        source = 1.0 if promise.source_upper is None else promise.source_upper
        return cls(
            promise,
            least,
            EProcess(promise.alpha, promise.level, every=every),
            EDetector(promise.alpha, between),
            SourceTarget(source, promise.level / 2.0),
            tuple(ScoreDrift(rung.summary, drift_level / len(rungs)) for rung in rungs),
        )

    def after(
        self, requests: Sequence[LoggedRequest], rungs: Sequence[RungScores], seed: int = 0
    ) -> MonitorEvidence:
        """With what of these requests, in time order, was not read before.

        Args:
            rungs: as at the beginning.
            seed: of the draws among equal scores.

        Raises:
            UsageError: the rungs differ, or a propensity is below `least`.
        """
        if [d.calibration for d in self.drift] != [rung.summary for rung in rungs]:
            raise UsageError("the calibration scores differ from those the monitor began with")
        new, labelled, skipped = unread(requests, self.progress)
        counts, known = self.counts, []
        first_seen = {request.key for request in new}
        # By the time of the answer: an earlier answer whose label came late goes first.
        read = sorted([*labelled, *new], key=lambda request: (request.ts, request.key))
        for request in read:
            is_new = request.key in first_seen
            counts = counts.after(request, is_new=is_new)
            step = _known_loss(request, self.promise, is_new=is_new)
            if step is not None:
                known.append(step)
        gains = [audit_gain(loss, self.promise.alpha, pi, self.least) for loss, pi in known]
        rows = [row for request in new for row in request.rows]
        rng = Random(f"{seed} {self.counts.requests}")
        return replace(
            self,
            process=self.process.after(gains),
            detector=self.detector.after(gains),
            source=self.source.after([(loss, self.least / pi) for loss, pi in known]),
            drift=tuple(
                drift.after([rung.score_of(row) for row in rows if rung.is_of(row)], rng)
                for drift, rung in zip(self.drift, rungs, strict=True)
            ),
            counts=counts,
            progress=self.progress.after(read),
            skipped=skipped,
        )


def is_judged(request: LoggedRequest, promise: Promise) -> bool:
    """Whether the promise speaks of the answer, so that a label of it counts."""
    return request.ending == "gated" or (promise.kind == "system" and request.ending == "ungated")


def _known_loss(
    request: LoggedRequest, promise: Promise, *, is_new: bool
) -> tuple[float, float] | None:
    """The loss that the promise speaks of, and the probability that it would become known.

    None where it is not known, where it is none of the promise's, or where it was counted before.
    """
    if is_judged(request, promise):
        if request.loss is None or not request.propensity:
            return None
        return request.loss, request.propensity
    if promise.kind == "selective" or request.ending == "open" or not is_new:
        return None
    # No label is needed: nothing was vouched for, or nothing was served.
    return (promise.abstention_loss if promise.kind == "system" else 0.0), 1.0
