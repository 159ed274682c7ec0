"""Drafts as they were logged, with their audits: what off-policy estimates are made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]

__all__ = ["AuditLog", "LoggedDraft", "draft_log", "effective_sample_size"]


@dataclass(frozen=True, slots=True)
class LoggedDraft:
    """A draft as it was logged, whatever was then done with it.

    Attributes:
        score: what the gate compares, higher is surer; None where the signal was missing.
        propensity: probability of the audit draw, in (0, 1]; None or 0 where there was none.
        audited: whether the draw hit.
        loss: in [0, 1]; None where not audited, or where the label has not come.
        predicted: loss predicted from what is logged (1 - calibrated probability), by something
            that was not fitted on these labels; only `doubly_robust` reads it.
    """

    query_id: str
    score: float | None
    propensity: float | None
    audited: bool = False
    loss: float | None = None
    predicted: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AuditLog:
    """One row per question, sorted by id; arrays of one length.

    Attributes:
        accepted: whether the candidate would let an answer through here.
        propensity: of the draft that it would serve; 0 where that could not be audited.
        loss: NaN where unknown.
        predicted: predicted loss, NaN where there is none.
    """

    accepted: Flags
    propensity: Floats
    audited: Flags
    loss: Floats
    predicted: Floats

    @property
    def labelled(self) -> Flags:
        """Accepted drafts whose label has come."""
        import numpy as np

        return self.accepted & self.audited & ~np.isnan(self.loss)

    @property
    def outstanding(self) -> int:
        """Accepted drafts that were drawn and whose label has not come.

        They count as not drawn, with all propensities shrunk by the share that came. That is
        right only where labels go missing at random; `worst_case` assumes nothing.
        """
        import numpy as np

        return int((self.accepted & self.audited & np.isnan(self.loss)).sum())

    @property
    def arrived(self) -> float:
        """Share of the labels asked for, among the accepted, that have come."""
        labelled = int(self.labelled.sum())
        return labelled / (labelled + self.outstanding) if labelled else 1.0

    @property
    def weights(self) -> Floats:
        """1{label came} / pi, corrected for labels outstanding; 0 outside the accepted."""
        import numpy as np

        return np.where(self.labelled, self.possible_weights, 0.0)

    @property
    def possible_weights(self) -> Floats:
        """1 / pi of each accepted draft, drawn or not; 0 elsewhere."""
        import numpy as np

        possible = self.accepted & (self.propensity > 0.0)
        weights = np.zeros(len(possible))
        weights[possible] = 1.0 / (self.propensity[possible] * self.arrived)
        return weights

    def worst_case(self) -> AuditLog:
        """The log with every outstanding label taken for a loss of 1."""
        import numpy as np

        return replace(self, loss=np.where(self.audited & np.isnan(self.loss), 1.0, self.loss))


def draft_log(drafts: Iterable[LoggedDraft], threshold: float) -> AuditLog:
    """The log as a gate at `threshold` would have left it: accept iff score >= threshold.

    A missing score is below every threshold.

    Raises:
        UsageError: two drafts of one question, or a propensity or loss out of range.
    """
    import numpy as np

    rows = sorted(drafts, key=lambda draft: draft.query_id)
    if len({row.query_id for row in rows}) < len(rows):
        raise UsageError("expected one draft a question; judge each gate on its own drafts")
    for row in rows:
        _check_draft(row)
    nan = float("nan")
    return AuditLog(
        np.array([row.score is not None and row.score >= threshold for row in rows], bool),
        np.array([row.propensity or 0.0 for row in rows], float),
        np.array([row.audited for row in rows], bool),
        np.array([nan if row.loss is None else row.loss for row in rows], float),
        np.array([nan if row.predicted is None else row.predicted for row in rows], float),
    )


def _check_draft(row: LoggedDraft) -> None:
    shown = f"query {row.query_id!r}"
    if row.propensity is not None and not 0.0 <= row.propensity <= 1.0:
        raise UsageError(f"{shown}: the propensity is {row.propensity}; expected one in (0, 1]")
    if row.audited and not row.propensity:
        raise UsageError(f"{shown} was audited, and no propensity was logged; log it with the draw")
    for name, value in (("loss", row.loss), ("predicted loss", row.predicted)):
        if value is not None and not 0.0 <= value <= 1.0:
            raise UsageError(f"{shown}: the {name} is {value}; expected one in [0, 1]")


def effective_sample_size(weights: Floats) -> float:
    """(sum w)^2 / sum w^2: how many equally weighted labels carry as much; 0 without any.

    Source: Kish 1965, "Survey Sampling".
    """
    squares = float((weights * weights).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0.0 else 0.0
