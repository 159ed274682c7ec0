"""Asking a person before a risky call of a tool that is unsure, and doing what they say.

Question and answer have the form of LangChain's human-in-the-loop middleware, so that whatever
shows its questions shows these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..router.errors import UsageError
from .gate_state import GateAsk

__all__ = ["ask_person", "is_abstention", "pending_asks"]

_ALLOWED = ["approve", "edit", "reject"]


def is_abstention(state: Mapping[str, Any]) -> bool:
    """Whether the last message is the gate's own."""
    told = state["messages"][-1].response_metadata.get("surefoot")
    return isinstance(told, Mapping) and told.get("action") == "abstain"


def pending_asks(state: Mapping[str, Any]) -> tuple[Any, list[GateAsk]]:
    """The agent's last message, and which of its calls a person has to decide on.

    A call that was answered already, or that the message no longer has, needs nobody.
    """
    from langchain_core.messages import AIMessage, ToolMessage

    gate = state.get("gate")
    asks: Sequence[GateAsk] = gate["ask"] if isinstance(gate, Mapping) else ()
    if not asks:
        return None, []
    messages = state["messages"]
    at = next((i for i in range(len(messages) - 1, -1, -1) if type(messages[i]) is AIMessage), None)
    if at is None:
        return None, []
    message = messages[at]
    answered = {one.tool_call_id for one in messages[at + 1 :] if isinstance(one, ToolMessage)}
    waiting = {call["id"] for call in message.tool_calls} - answered
    return message, [ask for ask in asks if ask["call_id"] in waiting]


def ask_person(state: Mapping[str, Any], interrupt: Callable[[Any], Any]) -> dict[str, Any] | None:
    """Interrupt the agent where a person has to decide; the update of its state after they did.

    Args:
        interrupt: LangGraph's. Resume with `{"decisions": [...]}`, one for each request:
            `{"type": "approve"}`, `{"type": "reject", "message": ...}` or
            `{"type": "edit", "edited_action": {"name", "args"}}`.

    Raises:
        UsageError: the decisions are not one for each request, or of another kind.
    """
    message, asks = pending_asks(state)
    if not asks:
        return None
    calls = {call["id"]: call for call in message.tool_calls}
    given = interrupt(
        {
            "action_requests": [
                {
                    "name": ask["tool"],
                    "args": calls[ask["call_id"]]["args"],
                    "description": ask["reason"],
                }
                for ask in asks
            ],
            "review_configs": [
                {"action_name": ask["tool"], "allowed_decisions": _ALLOWED} for ask in asks
            ],
        }
    )
    return _carried_out(message, asks, _decisions(given, len(asks)))


def _decisions(given: Any, wanted: int) -> list[Mapping[str, Any]]:
    found = given.get("decisions") if isinstance(given, Mapping) else None
    if not isinstance(found, list) or len(found) != wanted:
        raise UsageError(
            f'expected Command(resume={{"decisions": [...]}}) with {wanted} decisions, got '
            f"{given!r}"
        )
    return found


def _carried_out(
    message: Any, asks: Sequence[GateAsk], decisions: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    from langchain_core.messages import ToolMessage

    edited: dict[str, Mapping[str, Any]] = {}
    refused: list[Any] = []
    for ask, decision in zip(asks, decisions, strict=True):
        kind = decision.get("type")
        if kind == "edit":
            edited[ask["call_id"]] = decision["edited_action"]
        elif kind == "reject":
            said = decision.get("message") or f"A person rejected this call of {ask['tool']}."
            refused.append(
                ToolMessage(said, tool_call_id=ask["call_id"], name=ask["tool"], status="error")
            )
        elif kind != "approve":
            raise UsageError(f"expected a decision of type {', '.join(_ALLOWED)}, got {decision!r}")
    changed = [*([_edited(message, edited)] if edited else []), *refused]
    return {"messages": changed} if changed else None


def _edited(message: Any, edited: Mapping[str, Mapping[str, Any]]) -> Any:
    """The message with other arguments; its id is the same, so it takes the other one's place."""
    calls = [
        {**call, "name": edited[call["id"]]["name"], "args": edited[call["id"]]["args"]}
        if call["id"] in edited
        else call
        for call in message.tool_calls
    ]
    kept = {key: value for key, value in message.additional_kwargs.items() if key != "tool_calls"}
    return message.model_copy(update={"tool_calls": calls, "additional_kwargs": kept})
