"""All gates of a profile's path at the same quantile levels of their own scores.

What is swept is one number: at level q each gate defers the share q of what it could let through,
so that level 0 answers whatever has a score at the first stage and level 1 hands all over to the
last one, which serves everybody. Levels are counted on the replayed scores, never on their losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.decisions import Action, Rung
from .calibrating import CalibratedRung
from .ladders import Ladders
from .outcomes import OutcomeTable
from .paths import Cuts, Path, RungKind, RungScores, Stage, Stages
from .profile import Profile
from .scores import applied_scores, raw_scores
from .threshold import RungRule, ThresholdPolicy

if TYPE_CHECKING:
    from .ladders import Floats

__all__ = ["level_cuts", "levels", "path_scores", "profile_path"]

_LEVELS = 51


def levels() -> Floats:
    """The share that each gate defers: 51 levels, both ends included."""
    import numpy as np

    return np.linspace(0.0, 1.0, _LEVELS)


def profile_path(policy: ThresholdPolicy, first: int, rounds: int) -> Path:
    """The stages that a request meets which no gate lets through.

    It ends at the first stage that serves everybody, or from which no rule goes on.

    Args:
        first: the tier of entry.
        rounds: the most searches that there can be.
    """
    path = [Stage(first, 0)]
    while (following := _next(policy, path[-1], rounds)) is not None:
        path.append(following)
    return tuple(path)


def _next(policy: ThresholdPolicy, stage: Stage, rounds: int) -> Stage | None:
    rule = _rule(policy, stage)
    for action in rule.then if rule.gated else ():
        if action is Action.RETRIEVE and stage.round < rounds:
            return Stage(stage.tier, stage.round + 1)
        if action is Action.ESCALATE and stage.tier + 1 < len(policy.names):
            return Stage(stage.tier + 1 if rule.to is None else rule.to, stage.round)
    return None


def _rule(policy: ThresholdPolicy, stage: Stage) -> RungRule:
    return policy.rule(Rung(stage.tier, stage.round, stage.round > 0))


def path_scores(table: OutcomeTable, ladders: Ladders, profile: Profile, path: Path) -> RungScores:
    """The raw signal where the rule names one, else the estimate by the profile's calibrators."""
    import numpy as np

    policy = profile.thresholds()
    kinds: dict[RungKind, RungRule] = {}
    for stage in path[:-1]:  # the last stage serves everybody, so nothing is read for it
        for retrieved in {False, stage.round > 0}:
            rung = Rung(stage.tier, stage.round if retrieved else 0, retrieved)
            kinds.setdefault((stage.tier, retrieved), policy.rule(rung))
    named = {kind: rule.score for kind, rule in kinds.items() if rule.score in table.signals}
    raw = raw_scores(ladders, {k: s for k, s in named.items() if s is not None}, table.bought)
    estimated = {
        (rung.tier, rung.retrieved): CalibratedRung(rung.tier, rung.retrieved, rung.calibrators, {})
        for rung in profile.rungs
        if rung.calibrators and rung.score is None and (rung.tier, rung.retrieved) in kinds
    }
    if estimated:
        applied = applied_scores(table, ladders, tuple(estimated.values()), table.bought)
        own = np.array([(rung.tier, rung.retrieved) in estimated for rung in ladders.rungs])
        raw = RungScores(
            np.where(own, applied.free, raw.free),
            np.where(own, applied.paid, raw.paid),
            np.where(own, applied.price, raw.price),
            tuple(a or b for a, b in zip(applied.signal, raw.signal, strict=True)),
            raw.score,
        )
    return raw


def level_cuts(profile: Profile, stages: Stages, at: Floats) -> Cuts:
    """The cuts of every level; the last stage has none.

    Equal scores are deferred in the order of their draws, so that every level is attained. A gate
    that has nothing to compare before its signal is bought buys it for every request. One that buys
    inside a band about its threshold has the band as many levels below and above as in the profile.

    Args:
        at: the levels, in [0, 1].
    """
    import numpy as np

    shape = len(at), len(stages.path)
    cuts = Cuts(np.zeros(shape), np.zeros(shape), np.full(shape, np.nan), np.full(shape, np.nan))
    policy = profile.thresholds()
    for place, stage in enumerate(stages.path[:-1]):
        gate = _Gate.of(stages, place, _rule(policy, stage))
        cuts.threshold[:, place], cuts.tie[:, place] = gate.cuts(at)
        if gate.band is not None:
            cuts.low[:, place], cuts.high[:, place] = gate.bands(at)
    return cuts


@dataclass(frozen=True, slots=True)
class _Gate:
    """The scores of one stage and their draws, rising, and the band in which its signal is bought.

    Attributes:
        threshold: of the profile, which its band lies about.
    """

    scores: Floats
    draws: Floats
    threshold: float
    band: tuple[float, float] | None

    @classmethod
    def of(cls, stages: Stages, place: int, rule: RungRule) -> _Gate:
        import numpy as np

        whole = stages.whole[:, place]
        free, paid, u = stages.free[whole, place], stages.paid[whole, place], stages.u[whole]
        band = None
        if np.isnan(free).all():
            band = None if np.isnan(paid).all() else (0.0, 1.0)
        elif rule.buy and rule.score is None:
            band = rule.buy[0].low, rule.buy[0].high
        always = band is not None and band[0] <= 0.0 and band[1] >= 1.0
        score = paid if always else free
        known = ~np.isnan(score)
        score, u = score[known], u[known]
        order = np.lexsort((u, score))
        return cls(score[order], u[order], rule.threshold, band)

    def cuts(self, at: Floats) -> tuple[Floats, Floats]:
        """Threshold and tie of each level: the first of the scores that are not deferred."""
        import numpy as np

        n = len(self.scores)
        first = np.rint(at * n).astype(int)
        inside, shut = (first > 0) & (first < n), first >= n
        some = np.minimum(first, max(n - 1, 0))
        threshold, tie = np.where(shut, 1.0, 0.0), np.where(shut, 1.0, 0.0)
        if n:
            threshold = np.where(inside, self.scores[some], threshold)
            tie = np.where(inside, self.draws[some], tie)
        return threshold, tie

    def bands(self, at: Floats) -> tuple[Floats, Floats]:
        """Where the signal is bought, at each level."""
        import numpy as np

        assert self.band is not None
        low, high = self.band
        own = self._level(self.threshold)
        lows = np.array([self._value(q - own + self._level(low)) for q in at.tolist()])
        highs = np.array([self._value(q - own + self._level(high)) for q in at.tolist()])
        # An end that takes all scores in does so at every level.
        return (np.zeros_like(lows) if low <= 0.0 else lows), (
            np.ones_like(highs) if high >= 1.0 else highs
        )

    def _level(self, score: float) -> float:
        import numpy as np

        return float(np.searchsorted(self.scores, score)) / max(len(self.scores), 1)

    def _value(self, level: float) -> float:
        place = round(level * len(self.scores))
        if place <= 0:
            return 0.0
        return 1.0 if place >= len(self.scores) else float(self.scores[place])
