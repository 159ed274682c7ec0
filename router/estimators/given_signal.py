"""A confidence that the application itself supplies, under a name of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..evidence import Evidence
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable

__all__ = ["GivenSignal"]


@dataclass(frozen=True, slots=True)
class GivenSignal:
    """The number that came with the evidence under `name`, as it is; higher must be surer.

    Unavailable where none came, or one that is no number in [0, 1]. What it means is the
    application's affair: once it stands in outcome tables, `fit` calibrates it like any other.

    Attributes:
        name: as in `Evidence.given_signals`.
    """

    name: str

    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(given="given_signals")

    def estimate(self, evidence: Evidence) -> Reading:
        """The signal, or why there is none."""
        value = evidence.given_signals.get(self.name)
        if value is None:
            return Unavailable("the caller gave none")
        number = float(value)
        if not math.isfinite(number) or not 0.0 <= number <= 1.0:
            return Unavailable(f"the caller gave {number:g}, which is outside [0, 1]")
        return Signal(self.name, number, number, "confidence")
