"""Stop a draft at its first weak step, instead of judging it at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..router.decisions import Rung
from ..router.errors import ConfigurationError
from ..router.evidence import Token
from ..router.requests import Continue, PrefixVerdict, Stop
from ..router.signals import Unavailable
from ..router.steps.reading import StepReader

__all__ = ["StepGate", "StepRule"]

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class StepRule:
    """What holds for the drafts of one tier: a step whose signal is below `threshold` is weak.

    Raises:
        ConfigurationError: the threshold is not in [0, 1].
    """

    reader: StepReader
    threshold: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigurationError(
                f"a step's threshold is {self.threshold}; it must be in [0, 1]",
                field="steps.thresholds",
            )


class StepGate:
    """A `PrefixGate`: each step is judged when it has ended, the first weak one stops the draft.

    What was written before the weak step is worth keeping: a larger model may go on from there.

    Source: ours; taking over at a step after Yang et al. 2025, "Speculative Thinking: Enhancing
    Small-Model Reasoning with Large Model Guidance at Inference Time", arXiv 2504.12329.

    Args:
        rules: by number of the tier; other tiers' drafts are not judged.
    """

    def __init__(self, rules: Mapping[int, StepRule]) -> None:
        self.rules = dict(rules)

    def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        """Stop at the first weak step."""
        rule = self.rules.get(rung.tier)
        if rule is None:
            return Continue()
        note = ""
        for one in rule.reader.ended(tokens, seen):
            if isinstance(one.reading, Unavailable):  # such a step is not weak, and not sure either
                note = note or f"a step could not be judged: {one.reading.reason}"
            elif one.reading.value < rule.threshold:
                shown = " ".join(one.step.text.split())[:_SHOWN]
                compared = f"{one.reading.name} {one.reading.value:.2f} < {rule.threshold:.2f}"
                return Stop(f"a weak step ({compared}): {shown}", keep=one.step.start)
        return Continue(note=note)
