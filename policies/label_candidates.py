"""From logged traffic to the drafts that might be labeled, one a question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..router.errors import UsageError
from ..router.protocols import Assessor
from ..router.risk.tie_break import tie_break
from ..router.signals import Estimate, Reading, Signal
from .label_choice import LabelCandidate
from .outcomes import Outcome, OutcomeTable
from .profile import Profile
from .recorded import Replayer
from .replay import replayer_of
from .threshold import ThresholdPolicy

__all__ = ["LabelDraft", "draw_number", "label_drafts"]

_JUST_BELOW = -1e-12  # a tie that its draw did not pass


@dataclass(frozen=True, slots=True)
class LabelDraft:
    """A row that might be labeled, and what the choice of labels knows of it."""

    row: Outcome
    candidate: LabelCandidate


def label_drafts(table: OutcomeTable, profile: Profile) -> tuple[list[LabelDraft], int]:
    """The draft of each question that a gate of the profile decides on, sorted by query id.

    The one that the first gate lets through; else, of the drafts on the way, the one nearest to
    its threshold. A question whose drafts the log lacks in part is judged by those that it has.

    Returns:
        The drafts, and how many questions have none that a gate could judge: without a calibrated
        estimate nothing tells what a label would be worth.

    Raises:
        UsageError: the profile has no thresholds, or its gates read signals that the table lacks.
    """
    if profile.values is not None:
        raise UsageError(
            f"a {profile.kind} policy has no thresholds that a draft could lie near; choose labels "
            "for a profile with a threshold policy"
        )
    judge = _Judge(profile)
    replayer = replayer_of(table, profile)
    drafts = []
    for query_id in sorted(table.queries):
        found = [judge.draft(row) for row in _on_the_way(table, replayer, query_id)]
        judged = [draft for draft in found if draft is not None]
        if judged:
            drafts.append(_decided(judged))
    return drafts, len(table.queries) - len(drafts)


def _on_the_way(table: OutcomeTable, replayer: Replayer, query_id: str) -> list[Outcome]:
    """The rows that the policy stands on; all of the question's where it would need others."""
    try:
        attempts = replayer.replay(query_id).attempts
    except UsageError:
        return [row for _, row in sorted(table.queries[query_id].items())]
    found = [table.row(query_id, attempt.rung) for attempt in attempts]
    return [row for row in found if row is not None]


def _decided(drafts: Sequence[LabelDraft]) -> LabelDraft:
    def margin(draft: LabelDraft) -> float:
        return -math.inf if draft.candidate.margin is None else draft.candidate.margin

    passed = (draft for draft in drafts if margin(draft) >= 0.0)
    return next(passed, None) or max(drafts, key=margin)


class _Judge:
    """A profile's gates, asked how near to their thresholds a draft lies."""

    def __init__(self, profile: Profile) -> None:
        self._policy: ThresholdPolicy = profile.thresholds()
        self._assessor: Assessor = profile.assessor()
        self._seed = profile.tie_seed

    def draft(self, row: Outcome) -> LabelDraft | None:
        """None where no gate judges the row, or nothing says how sure it is."""
        rule = self._policy.rule(row.rung)
        readings: dict[str, Reading] = {
            name: Signal(name, value, value)
            for name, value in row.signals.items()
            if value is not None
        }
        estimate = self._assessor.assess(row.rung, readings)
        if not rule.gated or not isinstance(estimate, Estimate):
            return None
        score = estimate.p if rule.score is None else row.signals.get(rule.score)
        margin = None if score is None else score - rule.threshold
        if margin == 0.0 and tie_break(self._seed, row.query_id) < rule.tie:
            margin = _JUST_BELOW
        drawn, propensity = _draw_so_far(row)
        candidate = LabelCandidate(row.query_id, row.tier, margin, estimate.p, propensity, drawn)
        return LabelDraft(row, candidate)


def _draw_so_far(row: Outcome) -> tuple[bool, float]:
    """Whether an audit has hit the row, and how likely that was; a label on its way is a hit."""
    audited, propensity = row.extra.get("audited"), row.extra.get("propensity")
    drawn = row.loss is not None if audited is None else bool(audited)
    if propensity is None:
        if audited:
            raise UsageError(
                f"query {row.query_id!r}: field 'propensity' is missing; log it with the draw"
            )
        propensity = float(drawn)
    return drawn, float(propensity)


def draw_number(drafts: Sequence[LabelDraft]) -> int:
    """A number for the choice among these: as the draws so far differ, so do the coming ones.

    A choice among the same drafts is the same choice; after it was logged, it is another one.
    """
    import hashlib

    told = [(d.candidate.query_id, d.candidate.drawn_with, d.candidate.labelled) for d in drafts]
    return int.from_bytes(hashlib.blake2b(repr(told).encode(), digest_size=6).digest(), "big")
