"""What a gate that only watches would have done with the traffic that it saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..router.decisions import Action, Result
from ..router.feedback import Verdict
from ..router.risk.binomial import clopper_pearson

__all__ = ["ObserveReport", "Observed", "Share", "observe_report", "observed_run"]


@dataclass(frozen=True, slots=True)
class Observed:
    """One observed run.

    Attributes:
        would: what the gate would have done with the answer that was served.
        verdict: of that answer; None where nobody has judged it.
        cost: of the answer, in the deployment's currency.
    """

    would: Action
    verdict: Verdict | None
    cost: float


@dataclass(frozen=True, slots=True)
class Share:
    """k of n with the exact interval of Clopper and Pearson at 95 %; both None where n is 0."""

    k: int
    n: int
    share: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class ObserveReport:
    """A gate that watched, beside what was served.

    Verdicts of volunteers are no random sample: the shares hold for judged runs, and for all of
    them only where labels were drawn at random.

    Attributes:
        n: observed runs.
        would: how many the gate would have answered, searched for, escalated or abstained on.
        judged: how many of them somebody has judged.
        wrong_served: of all judged answers, which were all served.
        wrong_gated: of the judged answers that the gate would have let through.
        wrong_caught: of the judged wrong answers, those that it would have held back.
        right_held_back: of the judged right answers, those that it would have held back.
        larger_calls_saved: share of runs that need no larger model, beside always asking it.
        cost: of all observed answers.
    """

    n: int
    would: Mapping[str, int]
    judged: Mapping[str, int]
    wrong_served: Share
    wrong_gated: Share
    wrong_caught: Share
    right_held_back: Share
    larger_calls_saved: Share
    cost: float


def observed_run(result: Result) -> Action | None:
    """What the gate would have done; None where the run was gated, and not only observed.

    An observed answer is served whatever the policy decided, so that the trail's last action is
    another than the run's, or the same where both answer.
    """
    would = result.trail[-1].action if result.trail else None
    if would is None or not result.reason.startswith("observed only"):
        return None
    return Action(would)


def observe_report(runs: Iterable[Observed]) -> ObserveReport:
    """Count what the gate would have done."""
    seen = list(runs)
    would = Counter(one.would.value for one in seen)
    judged = [one for one in seen if one.verdict is not None]
    wrong = [one for one in judged if one.verdict != "right"]
    right = [one for one in judged if one.verdict == "right"]
    let_through = [one for one in judged if one.would is Action.ANSWER]
    return ObserveReport(
        len(seen),
        {action.value: would[action.value] for action in Action},
        dict(Counter(one.would.value for one in judged)),
        _share(len(wrong), len(judged)),
        _share(sum(one.verdict != "right" for one in let_through), len(let_through)),
        _share(sum(one.would is not Action.ANSWER for one in wrong), len(wrong)),
        _share(sum(one.would is not Action.ANSWER for one in right), len(right)),
        _share(len(seen) - would[Action.ESCALATE.value], len(seen)),
        sum(one.cost for one in seen),
    )


def _share(k: int, n: int) -> Share:
    if n == 0:
        return Share(k, n, None, None)
    return Share(k, n, k / n, clopper_pearson(k, n))
