"""What a candidate profile would have done with a run that another one decided.

The candidate decides anew on the drafts and signals that were made, through the very loop that
serves. Where it would have gone another way (a draft, a search or a signal that the run lacks),
what it would have done is unknown, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..router.budget import Budget
from ..router.decisions import Action, Result
from ..router.errors import UsageError
from ..router.protocols import RunRecord
from .off_policy_runs import Gap, profile_needs, run_candidate
from .outcomes import OutcomeTable
from .profile import Profile
from .recorded import Replayer
from .run_rows import outcome_of_row, rows_of_run

__all__ = ["Shadow", "ShadowVerdict"]


@dataclass(frozen=True, slots=True)
class ShadowVerdict:
    """Beside a run.

    Attributes:
        gap: what the run lacks to say; None where it is known what the candidate would have done.
        action: answer or abstain; None with a gap.
        tier: whose draft it would have served; None on an abstention or with a gap.
        same: whether it would have served the same draft, or abstained as well.
    """

    gap: Gap | None
    action: Action | None = None
    tier: int | None = None
    same: bool = False

    @property
    def in_a_word(self) -> str:
        """`same`, `other`, or `unknown`."""
        if self.gap is not None:
            return "unknown"
        return "same" if self.same else "other"


class Shadow:
    """A candidate beside the profile that decides. It calls nothing and buys nothing.

    Args:
        names: the tiers' names of the deployment.
        budget: of the deployment; money and time were spent as they were.
    """

    def __init__(self, profile: Profile, names: Sequence[str], budget: Budget) -> None:
        self.profile = profile
        self._names = tuple(names)
        self._budget = Budget(max_rounds=budget.max_rounds, max_steps=budget.max_steps)

    def verdict(self, result: Result) -> ShadowVerdict | None:
        """Beside a run; None for one that was answered from the history, or has no draft."""
        if result.recognized or not result.attempts:
            return None
        record = RunRecord("", None, "", result, "")
        rows = [outcome_of_row(row) for row in rows_of_run(record, (), self._names)]
        try:
            table = OutcomeTable({result.run_id: {row.rung: row for row in rows}})
            profile = self.profile
            replayer = Replayer(
                table,
                profile.names,
                profile.policy(),
                profile.assessor(),
                budget=self._budget,
                entry=profile.entry_policy(),
                prior=profile.prior,
            )
            needs = profile_needs(profile, frozenset(table.signals))
            found = run_candidate(table, replayer, result.run_id, needs, audited_only=False)
        except UsageError:  # it cannot be followed on such rows at all
            return ShadowVerdict("draft")
        if found.gap is not None:
            return ShadowVerdict(found.gap)
        if found.row is None:
            return ShadowVerdict(None, Action.ABSTAIN, None, result.action is Action.ABSTAIN)
        served = result.best if result.action is Action.ANSWER else None
        same = served is not None and served.rung == found.row.rung
        return ShadowVerdict(None, Action.ANSWER, found.row.tier, same)
