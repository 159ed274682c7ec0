"""Certifying a policy: the sequence of configurations, the tests, and what may be promised.

With one gate on one raw signal every question is tested: thresholds are taken from scores alone,
from strict to loose. With more, a part of the questions is set aside; models fitted on it predict
which configurations are worth testing, and the rest is tested from the safest end. Either way the
first failure ends it, each test is at full delta, and what was rejected before is certified.

Source: Angelopoulos et al., "Learn then Test" (arXiv 2110.01052), fixed-sequence testing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..router.risk.fixed_sequence import least_accepted
from ..router.risk.sample_size import accepted_labels_needed, critical_counts
from ..router.risk.score_grid import count_grid
from ..router.risk.targets import RiskTarget
from .certificates import Certificate, CurvePoint, HowTested, MoreLabels, NotCertified
from .path_search import (
    Outlook,
    candidate_cuts,
    fit_losses,
    gate_cuts,
    outlook_of,
    pareto_front,
    score_levels,
)
from .paths import Cuts, Path, Stages, walk
from .prices import Prices
from .risk_of_walks import JudgedRisk, losses_of, served_of, tested_walks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Flags, Floats

    Ints = NDArray[np.int64]

__all__ = ["Certified", "Gates", "certify_gate", "certify_paths"]

_EXPECTED = 45  # accepted labels at the first test of one gate
_LEAST_SHARE = 0.08
_LEAST_FRONT_SHARE = 0.10
_FEW = 0.5  # of the questions, where these are few
_STEPS = tuple(round(0.04 + 0.02 * i, 2) for i in range(49))  # .04, .06, ..., 1.00
_SLACK = 1.3  # front members are predicted to be at most so many times alpha
_POWER = 0.8
_MOST_CURVE = 60
_OTHER_ALPHAS = (1.25, 1.5, 2.0)


@dataclass(frozen=True, slots=True)
class Gates:
    """What is certified on, and what for.

    Attributes:
        tested: the questions whose labels are tested, on each path.
        scored: questions whose scores alone are read: they make the grid and the predictions. The
            tested ones themselves where there is no traffic and there is a single gate, else with a
            single gate its stage alone.
        tune: questions set aside, on each path; None with a single gate on a raw signal.
        groups: members among the tested questions, by name and value.
        share: of the labelled questions that is tested.
        source: of the thresholds, in words.
    """

    target: RiskTarget
    prices: Prices
    tested: Mapping[Path, Stages]
    scored: Mapping[Path, Stages]
    source: str
    seed: int
    tune: Mapping[Path, Stages] | None = None
    groups: Mapping[tuple[str, str], Flags] | None = None
    share: float = 1.0
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Certified:
    """The configuration that is certified: one path with one row of cuts."""

    path: Path
    cuts: Cuts
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class _Sequence:
    """Configurations in the order of testing: which path, which cuts, how wide it is expected."""

    paths: tuple[Path, ...]
    cuts: tuple[Cuts, ...]
    coverage: tuple[float, ...]
    first: int
    procedure: str

    @property
    def hash(self) -> str:
        """SHA-256 over all of it, in order."""
        body = repr([
            (path, cuts.threshold.tolist(), cuts.tie.tolist(), cuts.low.tolist())
            for path, cuts in zip(self.paths, self.cuts, strict=True)
        ])  # fmt: skip
        return hashlib.sha256(f"{body} from {self.first}".encode()).hexdigest()


def certify_gate(gates: Gates) -> Certified | NotCertified:
    """One gate, one raw signal: from strict to loose.

    Without traffic, cuts are laid over the tested rows' own scores at the counts at which one more
    error becomes bearable (`critical_counts`). With traffic they are quantiles of its scores, begun
    where enough accepted labels are expected; both depend on scores and counts alone. For the joint
    and system risk, of which the counts say nothing, quantiles are taken in either case.
    """
    (path, scored), *_ = gates.scored.items()
    stages, target = gates.tested[path], gates.target
    n = len(stages.u)
    if scored is stages and target.kind == "selective":
        counts = critical_counts(n, target.alpha, target.delta, target.loss)
        points = count_grid(_gate_scores(stages), counts, stages.u)
        if points:
            pairs = [(point.cut.score, point.cut.tie) for point in points]
            coverage = tuple(point.coverage for point in points)
            cuts = gate_cuts(stages, pairs)
            procedure = "fixed sequence over critical counts, strict to loose"
            return _tested_in_order(gates, _sequence(path, cuts, coverage, 0, procedure), None)
    # Of the traffic only the gate's own scores are read: it may have no rows of the last tier.
    pairs = score_levels(scored, 0, [1.0 - share for share in _STEPS])
    cuts = gate_cuts(stages, pairs)
    coverage = tuple(map(float, walk(scored, gate_cuts(scored, pairs)).gated.mean(axis=1)))
    least = max(_LEAST_SHARE, _EXPECTED / n)
    first = next((i for i, share in enumerate(coverage) if share >= least), len(coverage) - 1)
    sequence = _sequence(path, cuts, coverage, first, "fixed sequence, strict to loose")
    return _tested_in_order(gates, sequence, None)


def _gate_scores(stages: Stages) -> Floats:
    """What the first gate compares; NaN where nothing could be served."""
    import numpy as np

    free, paid = stages.free[:, 0], stages.paid[:, 0]
    score: Floats = np.where(np.isnan(free), paid, free)
    return np.where(stages.whole[:, 0], score, np.nan)


def _sequence(
    path: Path, cuts: Cuts, coverage: tuple[float, ...], first: int, procedure: str
) -> _Sequence:
    rows = tuple(cuts.some(_one(i)) for i in range(len(cuts)))
    return _Sequence((path,) * len(cuts), rows, coverage, first, procedure)


def certify_paths(gates: Gates) -> Certified | NotCertified:
    """Several gates: the predicted front over all paths, tested from its safest end."""
    import numpy as np

    assert gates.tune is not None
    found: list[tuple[Path, Cuts, Outlook]] = []
    for path, tune in gates.tune.items():
        scored = gates.scored[path]
        cuts = candidate_cuts(scored, seed=gates.seed)
        predicted = fit_losses(tune).predicted(scored)
        found.append((path, cuts, outlook_of(scored, cuts, predicted, gates.prices)))
    n = len(next(iter(gates.tested.values())).u)
    outlook = Outlook(
        *(
            np.concatenate([getattr(one, name) for _, _, one in found])
            for name in ("risk", "coverage", "price")
        )
    )
    least = _least_coverage(gates.target, n)
    front = pareto_front(outlook, most_risk=_SLACK * gates.target.alpha, least_coverage=least)
    owners = [(at, i) for at, (_, cuts, _) in enumerate(found) for i in range(len(cuts))]
    places = [owners[place] for place in front.places]
    sequence = _Sequence(
        tuple(found[at][0] for at, _ in places),
        tuple(found[at][1].some(_one(i)) for at, i in places),
        tuple(float(outlook.coverage[place]) for place in front.places),
        0,
        "fixed sequence over the predicted Pareto front, from the safest end",
    )
    usable = outlook.risk[outlook.coverage >= least]
    safest = float(usable.min() if len(usable) else outlook.risk.min())
    return _tested_in_order(gates, sequence, safest)


def _least_coverage(target: RiskTarget, n: int) -> float:
    """Of a configuration worth testing on `n` questions; depends on their number alone.

    Labels enough for the first test to stand an error; where there are few questions, half of them,
    and never fewer than could certify anything.
    """
    least = max(_LEAST_FRONT_SHARE, min(_EXPECTED / n, _FEW))
    if target.kind == "selective":
        least = max(least, least_accepted(target.alpha, target.delta) / n)
    return least


def _one(i: int) -> Ints:
    import numpy as np

    return np.array([i])


def _tested_in_order(
    gates: Gates, sequence: _Sequence, predicted: float | None
) -> Certified | NotCertified:
    sequence = _within_groups(gates, sequence)
    points: list[JudgedRisk] = []
    best: int | None = None
    for at, point in _tests(gates, sequence):
        points.append(point)
        if point.p_value > gates.target.delta:
            break
        best = at
    curve = _curve(gates, sequence, points)
    if best is None:
        return _not_certified(gates, sequence, points, predicted, curve)
    found = points[best - sequence.first]
    return Certified(
        sequence.paths[best],
        sequence.cuts[best],
        _certificate(gates, sequence, found, len(points), curve),
    )


def _within_groups(gates: Gates, sequence: _Sequence) -> _Sequence:
    """Begun where every group has answers enough for any test, which depends on counts alone."""
    if not gates.groups or gates.target.kind != "selective":
        return sequence
    least = least_accepted(gates.target.alpha, gates.target.delta)
    for at in range(sequence.first, len(sequence.paths)):
        gated = walk(gates.tested[sequence.paths[at]], sequence.cuts[at]).gated[0]
        if all(int(gated[members].sum()) >= least for members in gates.groups.values()):
            return replace(sequence, first=at)
    return sequence


def _tests(gates: Gates, sequence: _Sequence) -> Iterator[tuple[int, JudgedRisk]]:
    """The configurations in order; those of one path one after another are walked together."""
    at = sequence.first
    while at < len(sequence.paths):
        path, end = sequence.paths[at], at
        while end < len(sequence.paths) and sequence.paths[end] == path:
            end += 1
        walked = walk(gates.tested[path], Cuts.stacked(sequence.cuts[at:end]))
        found = tested_walks(gates.target, walked, seed=gates.seed, groups=gates.groups)
        for point in found:
            yield at, point
            at += 1


def _certificate(
    gates: Gates,
    sequence: _Sequence,
    found: JudgedRisk,
    tested: int,
    curve: tuple[CurvePoint, ...],
) -> Certificate:
    set_aside = 0 if gates.tune is None else len(next(iter(gates.tune.values())).u)
    mean = found.mean
    assert mean is not None  # nothing is rejected without a loss
    return Certificate(
        gates.target,
        found.n,
        found.n_accepted,
        found.losses,
        mean,
        gates.target.alpha,  # all that the test itself says
        found.p_value,
        HowTested(
            found.method,
            sequence.procedure,
            sequence.hash,
            gates.source,
            tested,
            set_aside,
            gates.seed,
        ),
        found.groups,
        curve,
        gates.date,
    )


def _curve(
    gates: Gates, sequence: _Sequence, points: Sequence[JudgedRisk]
) -> tuple[CurvePoint, ...]:
    """The tested points, and a look at the rest, which nothing rests on any more."""
    shown = []
    step = max(1, len(sequence.paths) // _MOST_CURVE)
    for at in range(len(sequence.paths)):
        number = at - sequence.first
        if 0 <= number < len(points):
            point, p = points[number], points[number].p_value
            shown.append(CurvePoint(point.n_accepted / point.n, point.mean, p))
        elif at % step == 0:
            looked = _looked_at(gates, sequence, at)
            shown.append(looked)
    return tuple(shown)


def _looked_at(gates: Gates, sequence: _Sequence, at: int) -> CurvePoint:
    served = served_of(walk(gates.tested[sequence.paths[at]], sequence.cuts[at]))
    losses = losses_of(gates.target, served)
    mean = float(losses.mean()) if len(losses) else None
    return CurvePoint(float(served.gated.mean()), mean, None)


def _not_certified(
    gates: Gates,
    sequence: _Sequence,
    points: Sequence[JudgedRisk],
    predicted: float | None,
    curve: tuple[CurvePoint, ...],
) -> NotCertified:
    """How many labels would do, at the shrunken risk of the safest usable configuration."""
    target = gates.target
    n = len(next(iter(gates.tested.values())).u)
    point = points[0] if points else None
    risk = predicted
    coverage = 1.0
    if target.kind == "selective" and sequence.coverage:
        coverage = sequence.coverage[sequence.first]
    worst = None
    if point is not None and point.groups and target.kind == "selective":
        worst = max(point.groups, key=lambda group: group.p_value)
        lost = (worst.mean_loss or 0.0) * worst.n_accepted
        risk = (lost + 1.0) / (worst.n_accepted + 2.0)
        coverage = max(1, worst.n_accepted) / n
    elif risk is None:
        assert point is not None
        risk = (point.losses + 1.0) / (point.denominator + 2.0)
    alphas = [target.alpha, *[round(target.alpha * times, 9) for times in _OTHER_ALPHAS]]
    more = [
        _more(alpha, target.delta, risk, coverage, gates.share) for alpha in alphas if alpha < 1
    ]
    where = "" if worst is None else f" in {worst.name} {worst.value}"
    if risk >= target.alpha:
        why = (
            f"no configuration looks safe enough{where}: the safest usable one has an error rate "
            f"of about {risk:.3f}, {target.alpha:g} is asked for; as these labels look, better "
            "signals or a larger alpha would help, and more labels would not"
        )
    elif point is None:
        why = (
            f"{n} questions are too few to test anything on: even without an error it takes "
            f"{least_accepted(target.alpha, target.delta)} accepted labels"
        )
    else:
        accepted = point.n_accepted if worst is None else worst.n_accepted
        why = (
            f"{accepted} accepted labels{where} are too few: the safest usable configuration has "
            f"an error rate of about {risk:.3f} on them (p = {point.p_value:.3f}, "
            f"{target.delta:g} is needed)"
        )
    return NotCertified(
        target, more[0].accepted, more[0].to_collect, why, n, curve, tuple(more[1:])
    )


def _more(alpha: float, delta: float, risk: float, coverage: float, share: float) -> MoreLabels:
    needed = accepted_labels_needed(alpha, delta, risk, power=_POWER)
    if needed is None:
        return MoreLabels(alpha, None, None)
    return MoreLabels(alpha, needed, int(-(-needed // max(coverage * share, 1e-9))))
