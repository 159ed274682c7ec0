"""Let a draft be shown while it is being written, once its beginning is sure enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..router.decisions import Rung
from ..router.errors import ConfigurationError
from ..router.evidence import Token
from ..router.requests import Continue, PrefixVerdict
from ..router.signals import Unavailable
from ..router.steps.reading import StepReader

__all__ = ["AtOnce", "ReleaseGate", "ReleaseRule"]


@dataclass(frozen=True, slots=True)
class ReleaseRule:
    """What holds for the drafts of one tier: one whose signal, read of all that was written up to
    the end of a step, reaches `threshold` may be shown.

    Attributes:
        retrieved: whether it holds for drafts that were shown passages, or for closed-book ones.

    Raises:
        ConfigurationError: the threshold is not in [0, 1].
    """

    reader: StepReader
    threshold: float
    retrieved: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigurationError(
                f"the threshold of a live gate is {self.threshold}; it must be in [0, 1]",
                field="live.gates",
            )


class ReleaseGate:
    """A `PrefixGate` that stops nothing: at the end of each step it judges all that was written.

    Its threshold holds for the drafts that it was fitted on: those of one tier, before any passage
    was found, or with those of the first search. Others are judged when they are whole.

    Args:
        rules: by number of the tier; other tiers' drafts are not released.
    """

    def __init__(self, rules: Mapping[int, ReleaseRule]) -> None:
        self.rules = dict(rules)

    def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        """Release at the first step that leaves the draft sure enough."""
        rule = self.rules.get(rung.tier)
        if rule is None or rung.retrieved != rule.retrieved or rung.round > 1:
            return Continue()
        note = ""
        for one in rule.reader.prefixes(tokens, seen):
            if isinstance(one.reading, Unavailable):
                note = note or f"a draft's beginning could not be judged: {one.reading.reason}"
            elif one.reading.value >= rule.threshold:
                compared = f"{one.reading.name} {one.reading.value:.3f} >= {rule.threshold:.3f}"
                return Continue(True, note, f"{compared} after {one.step.end} tokens")
        return Continue(note=note)


class AtOnce:
    """A `PrefixGate` that lets every draft be shown from its first token on: for a tier whose
    drafts are served whatever they are."""

    def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        """Release."""
        return Continue(True, reason="whatever this tier writes is served")
