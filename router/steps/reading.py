"""How sure each step of an answer is: an estimator over the tokens of that step alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..batch import Batch
from ..content import special_flags
from ..evidence import Evidence, Generation, Token
from ..guards import read_batch_safely
from ..protocols import Estimator
from ..signals import Reading, Signal
from .positions import Positions

__all__ = ["Step", "StepReader", "StepReading"]


@dataclass(frozen=True, slots=True)
class Step:
    """The tokens [start, end) of an answer."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class StepReading:
    """A step and what the estimator said of it."""

    step: Step
    reading: Reading

    @property
    def value(self) -> float | None:
        """The signal's value, in [0, 1]; None where there is none."""
        return self.reading.value if isinstance(self.reading, Signal) else None


@dataclass(frozen=True, slots=True)
class StepReader:
    """Parts an answer into steps and reads one signal of each.

    Attributes:
        estimator: of the family that looks at one generation's tokens.
    """

    positions: Positions
    estimator: Estimator

    def ended(self, tokens: Sequence[Token], seen: int = 0) -> tuple[StepReading, ...]:
        """The steps that have ended, oldest first.

        Args:
            seen: leaves out those that had ended when there were only so many tokens.
        """
        if seen and not self.positions.ends(tokens, seen):
            return ()
        ends = self.positions.ends(tokens)
        starts = (0, *ends)
        spans = [(a, b) for a, b in zip(starts, ends, strict=False) if b >= seen]
        return self._read(tokens, spans)

    def prefixes(self, tokens: Sequence[Token], seen: int = 0) -> tuple[StepReading, ...]:
        """As `ended`, but each reading is of all that was written up to the end of that step."""
        if seen and not self.positions.ends(tokens, seen):
            return ()
        ends = self.positions.ends(tokens)
        return self._read(tokens, [(0, end) for end in ends if end >= seen])

    def whole(self, tokens: Sequence[Token]) -> tuple[StepReading, ...]:
        """All steps of an answer that has ended; none of an empty one."""
        if not tokens:
            return ()
        starts = (0, *self.positions.ends(tokens))
        return self._read(tokens, list(zip(starts, (*starts[1:], len(tokens)), strict=True)))

    def _read(
        self, tokens: Sequence[Token], spans: Sequence[tuple[int, int]]
    ) -> tuple[StepReading, ...]:
        if not spans:
            return ()
        steps, records = [], []
        for start, end in spans:
            own = tuple(tokens[start:end])
            if all(special_flags(own)):  # what another model began, or an end of the sequence
                continue
            text = "".join([token.token for token in own])
            steps.append(Step(start, end, text))
            records.append(Evidence("", Generation(text, own)))
        readings = read_batch_safely(self.estimator, Batch(tuple(records)))
        return tuple([StepReading(*one) for one in zip(steps, readings, strict=True)])
