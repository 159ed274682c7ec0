"""What a promise is worth at the moment, and what follows from it.

::

    status           comes from                           gates       the promise
    ─────────────────────────────────────────────────────────────────────────────────
    valid            a new certificate                    serve       holds
    unverified       scores have drifted                  serve       said to be unverified
    stale            too old, or too few audits           serve       said to be unverified
    revoked          the risk is above the promise        safe action none
    not_certified    a refit found nothing                safe action none
    invalid          something else runs than was fitted  refuse      none

Events move a state down this list and never up; only a new certificate leads back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ..router.errors import UsageError
from .monitor_evidence import MonitorEvidence

__all__ = [
    "EventKind",
    "MonitorEvent",
    "MonitorState",
    "MonitorStatus",
    "Reaction",
    "Transition",
    "merged",
    "moved",
    "reaction_to",
]

MonitorStatus = Literal["valid", "unverified", "stale", "revoked", "not_certified", "invalid"]
"""From the least to the most careful."""

EventKind = Literal[
    "drift_alarm",
    "certificate_too_old",
    "too_few_audits",
    "risk_alarm",
    "refit_failed",
    "fingerprint_differs",
    "new_certificate",
]
"""What can happen to a promise."""

_RANKS: Mapping[str, int] = {
    status: rank
    for rank, status in enumerate(
        ("valid", "unverified", "stale", "revoked", "not_certified", "invalid")
    )
}
_LEADS_TO: Mapping[EventKind, MonitorStatus] = {
    "drift_alarm": "unverified",
    "certificate_too_old": "stale",
    "too_few_audits": "stale",
    "risk_alarm": "revoked",
    "refit_failed": "not_certified",
    "fingerprint_differs": "invalid",
    "new_certificate": "valid",
}
_MOST_TRANSITIONS = 100  # a few per certificate: years of them


@dataclass(frozen=True, slots=True)
class Reaction:
    """What to do in a status.

    Attributes:
        loads: whether the profile may be used at all.
        gates: whether gates may let answers through; else each takes its safe action, which is to
            escalate or to abstain.
        vouches: whether an answer may carry the certificate without a remark.
        raises_audits: whether to draw more answers for labels than usual.
        refits: whether to fit anew, on labels from after the alarm.
        words: for people, and for the metadata of every response.
    """

    loads: bool
    gates: bool
    vouches: bool
    raises_audits: bool
    refits: bool
    words: str


_REACTIONS: Mapping[MonitorStatus, Reaction] = {
    "valid": Reaction(True, True, True, False, False, "the certificate holds"),
    "unverified": Reaction(
        True,
        True,
        False,
        True,
        False,
        "the certified error rate is not verified at the moment: scores come differently than at "
        "calibration; more answers are audited",
    ),
    "stale": Reaction(
        True,
        True,
        False,
        True,
        False,
        "the certified error rate is not verified at the moment: the certificate is too old or too "
        "few answers were audited; more are",
    ),
    "revoked": Reaction(
        True,
        False,
        False,
        True,
        True,
        "the certificate is revoked: audited answers were wrong more often than promised; gates "
        "take the safe action until a refit on later audits is certified, at the same alpha",
    ),
    "not_certified": Reaction(
        True,
        False,
        False,
        True,
        True,
        "no certificate: a refit found nothing that keeps the promise; gates stay on the safe "
        "action and labels are collected",
    ),
    "invalid": Reaction(
        False,
        False,
        False,
        False,
        True,
        "the profile was fitted on something else than what runs; it is not loaded",
    ),
}


def reaction_to(status: MonitorStatus) -> Reaction:
    """What to do in this status."""
    return _REACTIONS[status]


@dataclass(frozen=True, slots=True)
class MonitorEvent:
    """Something that bears on the promise.

    Attributes:
        at: when, in seconds since the epoch.
        reason: in words, with the numbers.
        certificate: id of the new one; of `new_certificate` alone.
    """

    kind: EventKind
    at: float
    reason: str
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One event and what it did; `before` and `after` are equal where the state was safer."""

    at: float
    kind: EventKind
    before: MonitorStatus
    after: MonitorStatus
    reason: str


@dataclass(frozen=True, slots=True)
class MonitorState:
    """The state of one promise, shared by everyone who serves under it.

    Attributes:
        key: of the profile, and of what runs it where that may differ between replicas: a replica
            that is configured wrongly must not invalidate the others.
        certificate: id of the latest; None before the first.
        certified_at: when the monitor took it up, in seconds since the epoch.
        status: see the module.
        since: when the status was reached.
        transitions: what happened, oldest first; the latest 100.
        evidence: what the monitors have seen, under the certificate that it names.
    """

    key: str
    certificate: str | None = None
    certified_at: float = 0.0
    status: MonitorStatus = "not_certified"
    since: float = 0.0
    transitions: tuple[Transition, ...] = ()
    evidence: MonitorEvidence | None = None

    @property
    def reaction(self) -> Reaction:
        """What to do now."""
        return _REACTIONS[self.status]

    def has_noted(self, kind: EventKind) -> bool:
        """Whether such an event was noted under the present certificate."""
        for step in reversed(self.transitions):
            if step.kind == kind:
                return True
            if step.kind == "new_certificate":
                break
        return False


def moved(state: MonitorState, event: MonitorEvent) -> tuple[MonitorState, Reaction]:
    """The state after an event, and the reaction to it.

    An event never makes a state less safe. One that changes nothing is noted once under each
    certificate. The evidence is left alone: `run_monitor` begins anew under a new certificate, and
    goes on in the log where it was.

    Raises:
        UsageError: a new certificate without an id, or with the id of the present one: what was
            revoked does not come back by loading it again.
    """
    if event.kind == "new_certificate":
        if event.certificate is None or event.certificate == state.certificate:
            raise UsageError(
                f"expected the id of a certificate other than {state.certificate}, got "
                f"{event.certificate}; fit and certify anew"
            )
        state = replace(state, certificate=event.certificate, certified_at=event.at)
        after: MonitorStatus = "valid"
    else:
        after = safest(state.status, _LEADS_TO[event.kind])
        if after == state.status and state.has_noted(event.kind):
            return state, state.reaction
    step = Transition(event.at, event.kind, state.status, after, event.reason)
    state = replace(
        state,
        status=after,
        since=state.since if after == state.status else event.at,
        transitions=(*state.transitions, step)[-_MOST_TRANSITIONS:],
    )
    return state, state.reaction


def safest(one: MonitorStatus, other: MonitorStatus) -> MonitorStatus:
    """The more careful of two statuses."""
    return one if _RANKS[one] >= _RANKS[other] else other


def merged(one: MonitorState, other: MonitorState) -> MonitorState:
    """One state of two that went apart, e.g. while a replica could not reach the store.

    Of different certificates the later taken up wins, and what the other says is history. Of one
    certificate the safer status wins, with all transitions, and the evidence that has read more
    labels: evidence of two readers cannot be added, since both may have read the same labels.
    Does not depend on the order of the two.

    Raises:
        UsageError: they are states of different keys.
    """
    if one.key != other.key:
        raise UsageError(f"expected two states of one key, got {one.key!r} and {other.key!r}")
    steps = _interleaved(one.transitions, other.transitions)
    if one.certificate != other.certificate:
        later = max(
            one, other, key=lambda s: (s.certified_at, _RANKS[s.status], str(s.certificate))
        )
        return replace(later, transitions=steps)
    safer, lesser = sorted((one, other), key=lambda s: (-_RANKS[s.status], s.since))
    best = max(safer, lesser, key=_labels_read)
    certified_at = min(one.certified_at, other.certified_at)
    return replace(safer, transitions=steps, evidence=best.evidence, certified_at=certified_at)


def _labels_read(state: MonitorState) -> tuple[bool, int, int, str]:
    if state.evidence is None:
        return False, -1, -1, ""
    evidence = state.evidence
    is_current = evidence.promise.certificate == state.certificate
    return is_current, evidence.process.steps, evidence.counts.requests, repr(evidence)


def _interleaved(
    one: tuple[Transition, ...], other: tuple[Transition, ...]
) -> tuple[Transition, ...]:
    # A fixed order of equal times, so that merging does not depend on who merges.
    steps = sorted(
        {*one, *other}, key=lambda s: (s.at, s.kind, _RANKS[s.after], s.before, s.reason)
    )
    return tuple(steps)[-_MOST_TRANSITIONS:]
