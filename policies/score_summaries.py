"""The calibration scores that a profile carries, for a monitor to compare live scores with.

They stand in `fitted_on`, one text of counts a rung, and belong to no fingerprint: without them a
profile decides the same, but nobody can tell whether its scores still come as they did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..router.errors import UsageError
from ..router.risk.score_drift import ScoreSummary, summarize_scores
from ..router.signals import Signal
from .monitor_evidence import RungScores
from .outcomes import OutcomeTable
from .profile import Profile
from .replay import replayer_of

__all__ = ["FIELD", "score_summaries", "scores_of_profile", "with_scores"]

FIELD = "scores"
"""Of `Profile.fitted_on`."""

_MOST_REPLAYED = 4000  # ranks are exact at any number; more would only sharpen the quantiles

_Gate = tuple[int, bool]


def with_scores(profile: Profile, table: OutcomeTable) -> Profile:
    """The profile with the scores of these questions, which it is to be like; same fingerprint."""
    data = [_data(rung) for rung in score_summaries(table, profile)]
    return replace(profile, fitted_on={**profile.fitted_on, FIELD: data})


def score_summaries(table: OutcomeTable, profile: Profile) -> tuple[RungScores, ...]:
    """What each gate's signals came to on the attempts that the policy makes on these questions.

    A gate that reads several signals has one summary for each. Up to 4,000 questions, evenly
    spaced in the order of their ids. A signal that is always missing is left out.
    """
    reads = _reads(profile)
    found: dict[tuple[_Gate, str], list[float | None]] = {
        (gate, name): [] for gate, names in reads.items() for name in names
    }
    replayer = replayer_of(table, profile)
    asked = sorted(table.queries)
    for query_id in asked[:: max(1, -(-len(asked) // _MOST_REPLAYED))]:
        for attempt in replayer.replay(query_id).attempts:
            gate = (attempt.tier, attempt.retrieved)
            for name in reads.get(gate, ()):
                reading = attempt.signals.get(name)
                found[gate, name].append(reading.value if isinstance(reading, Signal) else None)
    return tuple(
        RungScores(tier, name, summarize_scores(scores), retrieved)
        for ((tier, retrieved), name), scores in sorted(found.items())
        if any(score is not None for score in scores)
    )


def _reads(profile: Profile) -> Mapping[_Gate, tuple[str, ...]]:
    """The signals that each tier's gates read, with passages and without."""
    reads: dict[_Gate, dict[str, None]] = {}
    for rung in profile.rungs:
        if not rung.gated:
            continue
        names = [part for fitted in rung.calibrators[:1] for part in fitted.parts]
        wanted = names if rung.score is None else [rung.score]
        reads.setdefault((rung.tier, rung.retrieved), {}).update(dict.fromkeys(wanted))
    return {gate: tuple(names) for gate, names in reads.items()}


def scores_of_profile(profile: Profile) -> tuple[RungScores, ...]:
    """The summaries that a profile carries; none where it was fitted without.

    Raises:
        UsageError: what stands there is no summary.
    """
    try:
        return tuple(_rung_scores(one) for one in profile.fitted_on.get(FIELD, ()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"fitted_on.{FIELD} holds no score summary ({error!r}); fit the profile anew"
        ) from error


def _data(rung: RungScores) -> Mapping[str, Any]:
    return {
        "tier": rung.tier,
        "retrieved": rung.retrieved,
        "signal": rung.signal,
        "counts": _text(rung.summary.counts),
        "tied": _text(rung.summary.tied),
    }


def _rung_scores(data: Mapping[str, Any]) -> RungScores:
    counts = tuple((int(cell), count) for cell, count in _pairs(data["counts"]))
    tied = tuple((float(score), count) for score, count in _pairs(data["tied"]))
    return RungScores(
        int(data["tier"]), str(data["signal"]), ScoreSummary(counts, tied), bool(data["retrieved"])
    )


def _text(pairs: Sequence[tuple[float, int]]) -> str:
    """One line: a profile is read by people, and hundreds of short lines are not."""
    return " ".join(f"{value!r}:{count}" for value, count in pairs)


def _pairs(text: str) -> Iterable[tuple[str, int]]:
    for pair in text.split():
        value, _, count = pair.partition(":")
        yield value, int(count)
