"""Families of policies, each a list of configurations with what they do on every question.

One tier for all, gates along a path, routing by a prior before any draft, and a gate after such a
routing. What reaches a target chooses among their configurations, and knows nothing more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from .excess_models import ExcessModels, fitted_loss, logit
from .path_search import candidate_cuts, candidate_paths
from .paths import Cuts, Path, RungScores, Stages, stages_of, walk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Flags, Floats, Ladders

    Ints = NDArray[np.int64]

__all__ = ["Families", "Family", "GateFamilies", "PriorRouting", "judged_ladders", "united"]

_LEVELS = {1: 25, 2: 9, 3: 5}  # thresholds per gate, by the number of gates
_MOST_TIERS = 3
_TRADES = 24
_TRADES_WITH_GATE = 5


@dataclass(frozen=True, slots=True)
class Family:
    """K configurations of one kind of policy on the same questions; arrays are (K, questions).

    Attributes:
        name: `one tier`, `gate`, `prior`, `prior and gate`, or that of any other kind of policy.
        loss: of what is served; an abstention has the loss that it is charged.
        cost: of everything that was drafted and bought.
        deferred: whether a tier above the first was asked.
        excess: predicted loss above that of the last tier, by models of few parameters that were
            fitted on the rows that the family was asked for; configurations are chosen by it, since
            the best of many counted means is mostly lucky. None where there is no such model.
        path: along which it goes; None where the entry tier answers.
        cuts: of each configuration, where there is a path.
        trade: quality that a unit of cost is worth to the routing before any draft, (K,).
    """

    name: str
    loss: Floats
    cost: Floats
    deferred: Flags
    excess: Floats | None = None
    path: Path | None = None
    cuts: Cuts | None = None
    trade: Floats | None = None


Families = Callable[["Ints"], Sequence[Family]]
"""From the questions that may be learned from to families over all questions.

The configurations must be the same whatever the questions are.
"""


def united(*parts: Families) -> Families:
    """The families of all of them."""

    def families(rows: Ints) -> Sequence[Family]:
        return [family for part in parts for family in part(rows)]

    return families


def judged_ladders(ladders: Ladders) -> Ladders:
    """The ladders, if a loss is known wherever there is a row.

    Raises:
        UsageError: names a row without a loss.
    """
    import numpy as np

    open_ = ladders.present & np.isnan(ladders.loss)
    if open_.any():
        query, rung = (int(one) for one in np.argwhere(open_)[0])
        raise UsageError(
            f"query {ladders.queries[query]!r}, tier {ladders.rungs[rung].tier} has no loss: judge "
            "it first, or leave the question out of the table"
        )
    return ladders


class GateFamilies:
    """Every path of up to three tiers under thresholds at quantiles of its scores.

    The last stage is not gated: whoever reaches it is served. A path of one stage is that tier for
    all. With a prior, paths of two tiers are also entered where the prior says.

    Args:
        ladders: with a loss in every row.
        u: each question's draw among equal scores.
        prior: P(right), (questions, tiers), of models that had not seen the question.
        paths: all of up to three tiers where None.
    """

    def __init__(
        self,
        ladders: Ladders,
        scores: RungScores,
        u: Floats,
        *,
        seed: int,
        prior: Floats | None = None,
        paths: Sequence[Path] | None = None,
    ) -> None:
        judged_ladders(ladders)
        self._reference = _reference(ladders)
        self._prior = prior
        self._known: list[tuple[Family, Stages, Ints]] = []
        for path in _paths(ladders) if paths is None else paths:
            stages = stages_of(ladders, scores, path, u, last_is_gated=False)
            gates = len(path) - 1
            levels = _LEVELS.get(gates, 3)
            cuts = candidate_cuts(
                stages, seed=seed, levels=[i / levels for i in range(levels)] if gates else (0.0,)
            )
            self._add("gate" if gates else "one tier", stages, cuts)
            if prior is not None and len(path) == 2 and path[1].tier > path[0].tier:
                self._add_routed(ladders, prior, stages, seed)

    def __call__(self, rows: Ints) -> list[Family]:
        """The families, with losses predicted by models of these questions."""
        import numpy as np

        found = []
        models = ExcessModels(self._reference, rows, self._prior)
        for family, stages, stage in self._known:
            excess = models.excess(stages)
            each = np.take_along_axis(excess.T, np.maximum(stage, 0), axis=0)
            found.append(_with_excess(family, each))
        return found

    def _add(
        self,
        name: str,
        stages: Stages,
        cuts: Cuts,
        start: Ints | None = None,
        trade: Floats | None = None,
    ) -> None:
        import numpy as np

        walked = walk(stages, cuts, start)
        tiers = np.array([stage.tier for stage in stages.path])
        # A question without a whole answer is an abstention here: as bad as a wrong answer.
        loss = np.where(walked.stage >= 0, walked.loss, 1.0)
        family = Family(
            name,
            loss,
            walked.cost,
            tiers[walked.reached] > 0,
            path=stages.path,
            cuts=cuts,
            trade=trade,
        )
        self._known.append((family, stages, walked.stage))

    def _add_routed(self, ladders: Ladders, prior: Floats, stages: Stages, seed: int) -> None:
        import numpy as np

        small, large = (stage.tier for stage in stages.path)
        i, j = ladders.place(small), ladders.place(large)
        dearer = float(ladders.cost[:, j].mean() - ladders.cost[:, i].mean())
        if dearer <= 0.0:
            return
        gain = (prior[:, large] - prior[:, small]) / dearer
        trades = np.quantile(gain, (np.arange(_TRADES_WITH_GATE) + 0.5) / _TRADES_WITH_GATE)
        trades = np.unique(np.maximum(trades, 0.0))
        cuts = candidate_cuts(stages, seed=seed, levels=[i / _LEVELS[2] for i in range(_LEVELS[2])])
        which = np.tile(np.arange(len(cuts)), len(trades))
        trade = np.repeat(trades, len(cuts))
        start = (gain[None, :] > trade[:, None]).astype(int)
        self._add("prior and gate", stages, cuts.some(which), start, trade)


def _with_excess(family: Family, excess: Floats) -> Family:
    return Family(
        family.name,
        family.loss,
        family.cost,
        family.deferred,
        excess,
        family.path,
        family.cuts,
        family.trade,
    )


class PriorRouting:
    """The entry tier of argmax_j p_j - trade c_j answers, for several trades.

    Args:
        ladders: with a loss in every row.
        prior: P(right), (questions, tiers), of models that had not seen the question.
    """

    def __init__(self, ladders: Ladders, prior: Floats) -> None:
        import numpy as np

        tiers = range(prior.shape[1])
        places = [ladders.place(tier) for tier in tiers]
        cost, loss = ladders.cost[:, places], ladders.loss[:, places]
        trades = _trades(prior, cost.mean(axis=0))
        value = prior[None] - trades[:, None, None] * cost.mean(axis=0)
        chosen = value.argmax(axis=2)  # of equal values the cheaper tier, as `PriorEntry` does

        def of(columns: Floats) -> Floats:
            return np.take_along_axis(columns.T, chosen, axis=0)

        self._prior, self._loss, self._of = prior, loss, of
        self._family = Family("prior", of(loss), of(cost), chosen > 0, trade=trades)

    def __call__(self, rows: Ints) -> list[Family]:
        """The one family. What the prior says of two tiers is fitted to their losses once more."""
        import numpy as np

        own, last = self._prior, self._prior.shape[1] - 1
        columns = [np.zeros(len(own))] * (last + 1)
        for tier in range(last):
            features = np.stack([logit(own[:, tier]), logit(own[:, last]), np.ones(len(own))], 1)
            lost = fitted_loss(features, self._loss[:, tier], rows)
            columns[tier] = lost - fitted_loss(features, self._loss[:, last], rows)
        return [_with_excess(self._family, self._of(np.stack(columns, axis=1)))]


def _trades(prior: Floats, cost: Floats) -> Floats:
    """Where the preference between two tiers turns for some share of the questions."""
    import numpy as np

    turns = [
        (prior[:, j] - prior[:, i]) / (cost[j] - cost[i])
        for j in range(len(cost))
        for i in range(j)
        if cost[j] > cost[i]
    ]
    found = np.concatenate(turns) if turns else np.zeros(1)
    positive = found[found > 0.0]
    if not len(positive):
        return np.zeros(1)
    return np.unique(np.quantile(positive, (np.arange(_TRADES) + 0.5) / _TRADES))


def _paths(ladders: Ladders) -> list[Path]:
    found = candidate_paths(ladders.tiers, ladders.rounds)
    return [path for path in found if len({stage.tier for stage in path}) <= _MOST_TIERS]


def _reference(ladders: Ladders) -> Floats:
    """Losses of always asking the last tier, before any search."""
    try:
        return ladders.loss[:, ladders.place(ladders.tiers - 1)]
    except KeyError as error:
        raise UsageError(
            f"no question has a row of tier {ladders.tiers - 1} before any search, which targets "
            "are measured against; record it too"
        ) from error
