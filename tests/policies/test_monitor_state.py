"""States, events and reactions: only a new certificate leads back to a promise."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.monitor_evidence import MonitorEvidence
from surefoot.policies.monitor_state import (
    EventKind,
    MonitorEvent,
    MonitorState,
    MonitorStatus,
    merged,
    moved,
    reaction_to,
)
from surefoot.router.errors import UsageError
from surefoot.router.wire import decode_json, encode_json

from .traffic import promise

STATUSES: tuple[MonitorStatus, ...] = get_args(MonitorStatus)
KINDS: tuple[EventKind, ...] = tuple(
    kind for kind in get_args(EventKind) if kind != "new_certificate"
)


def event(kind: EventKind, at: float = 5.0, certificate: str | None = None) -> MonitorEvent:
    return MonitorEvent(kind, at, f"because of {kind}", certificate)


def valid(certificate: str = "c1") -> MonitorState:
    return moved(MonitorState("k"), event("new_certificate", 1.0, certificate))[0]


def after(*kinds: EventKind) -> MonitorState:
    state = valid()
    for number, kind in enumerate(kinds):
        state, _ = moved(state, event(kind, 2.0 + number))
    return state


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("fingerprint_differs", "invalid"),
        ("drift_alarm", "unverified"),
        ("certificate_too_old", "stale"),
        ("too_few_audits", "stale"),
        ("risk_alarm", "revoked"),
        ("refit_failed", "not_certified"),
    ],
)
def test_each_event_leads_where_the_table_says(kind: EventKind, status: MonitorStatus) -> None:
    state, reaction = moved(valid(), event(kind, 7.0))
    assert state.status == status
    assert reaction == reaction_to(status) == state.reaction
    assert state.since == 7.0
    step = state.transitions[-1]
    assert (step.at, step.kind, step.before, step.after) == (7.0, kind, "valid", status)
    assert step.reason == f"because of {kind}"


def test_reactions() -> None:
    assert [reaction_to(s).loads for s in STATUSES] == [True] * 5 + [False]
    assert [reaction_to(s).gates for s in STATUSES] == [True] * 3 + [False] * 3
    assert [reaction_to(s).vouches for s in STATUSES] == [True] + [False] * 5
    assert [reaction_to(s).raises_audits for s in STATUSES] == [False, *[True] * 4, False]
    assert [reaction_to(s).refits for s in STATUSES] == [False] * 3 + [True] * 3


@pytest.mark.parametrize(("status", "kind"), list(product(STATUSES, KINDS)))
def test_no_event_makes_a_state_less_safe(status: MonitorStatus, kind: EventKind) -> None:
    state, _ = moved(replace(valid(), status=status), event(kind))
    assert STATUSES.index(state.status) >= STATUSES.index(status)


def test_an_event_that_changes_nothing_is_noted_once() -> None:
    state = after("risk_alarm", "drift_alarm")
    assert state.status == "revoked" and state.since == 2.0
    assert (state.transitions[-1].before, state.transitions[-1].after) == ("revoked", "revoked")
    again, _ = moved(state, event("drift_alarm", 9.0))
    assert again == state


def test_a_new_certificate_leads_back_and_events_are_noted_anew() -> None:
    state = after("risk_alarm", "refit_failed")
    state, reaction = moved(state, event("new_certificate", 10.0, "c2"))
    assert (state.status, state.certificate, state.certified_at) == ("valid", "c2", 10.0)
    assert reaction.vouches
    assert not state.has_noted("risk_alarm")
    assert moved(state, event("risk_alarm", 11.0))[0].status == "revoked"


@pytest.mark.parametrize("certificate", [None, "c1"])
def test_the_revoked_certificate_itself_does_not_lead_back(certificate: str | None) -> None:
    with pytest.raises(UsageError, match="certify anew"):
        moved(after("risk_alarm"), event("new_certificate", 9.0, certificate))


def test_without_a_certificate_nothing_is_promised() -> None:
    assert MonitorState("k").status == "not_certified"
    assert not MonitorState("k").reaction.gates


def test_transitions_stay_few() -> None:
    state = valid()
    for number in range(300):
        state, _ = moved(state, event("new_certificate", 2.0 + number, f"d{number}"))
    assert len(state.transitions) == 100
    assert state.transitions[-1].at == 301.0


def test_a_state_survives_storing() -> None:
    evidence = MonitorEvidence.begin(promise())
    state = replace(after("drift_alarm", "risk_alarm"), evidence=evidence)
    assert decode_json(MonitorState, encode_json(state)) == state


@given(st.lists(st.sampled_from(KINDS), max_size=5), st.lists(st.sampled_from(KINDS), max_size=5))
def test_states_that_went_apart_meet_at_the_safer_one(
    one: list[EventKind], other: list[EventKind]
) -> None:
    a, b = after(*one), after(*other)
    both = merged(a, b)
    assert both == merged(b, a)
    assert STATUSES.index(both.status) == max(STATUSES.index(a.status), STATUSES.index(b.status))
    assert set(both.transitions) == {*a.transitions, *b.transitions}
    assert merged(both, a) == both


def test_a_certificate_taken_up_later_wins() -> None:
    revoked = after("risk_alarm")
    renewed, _ = moved(revoked, event("new_certificate", 50.0, "c2"))
    assert merged(revoked, renewed).status == "valid"
    assert merged(renewed, revoked).certificate == "c2"


def test_the_evidence_with_more_labels_is_kept() -> None:
    few = MonitorEvidence.begin(promise())
    many = replace(few, process=few.process.after([-0.1] * 9))
    a, b = replace(after("drift_alarm"), evidence=few), replace(after(), evidence=many)
    assert merged(a, b).evidence == merged(b, a).evidence == many
    assert merged(a, b).status == "unverified"


def test_states_of_two_keys_do_not_meet() -> None:
    with pytest.raises(UsageError, match="one key"):
        merged(MonitorState("a"), MonitorState("b"))
