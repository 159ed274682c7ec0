"""What the service answers with, as JSON schemas. Further fields may stand beside those named."""

from __future__ import annotations

from typing import Any

__all__ = ["REFERENCE", "RESPONSES", "reference"]

REFERENCE = "#/components/schemas/{model}"


def reference(name: str) -> dict[str, Any]:
    """The schema of this name."""
    return {"$ref": REFERENCE.format(model=name)}


def _object(properties: dict[str, Any], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


def _or_null(*kinds: str) -> dict[str, Any]:
    return {"type": [*kinds, "null"]}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_TEXT: dict[str, Any] = {"type": "string"}
_TEXT_OR_NULL = _or_null("string")
_NUMBER: dict[str, Any] = {"type": "number", "minimum": 0}
_NUMBER_OR_NULL = _or_null("number")
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_FLAG: dict[str, Any] = {"type": "boolean"}
_SHARE_OR_NULL = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_TRAIL = _list({"type": "object"})
_FINISH = {"enum": ["stop", "tool_calls"]}

_ERROR = _object(
    {"error": _object({"message": _TEXT, "type": _TEXT, "param": _TEXT_OR_NULL, "code": _TEXT})}
)
_DECIDED: dict[str, Any] = {
    "run_id": _TEXT,
    "action": {"enum": ["answer", "abstain"]},
    "confidence": _SHARE_OR_NULL,
    "calibrated": _FLAG,
    "reason": _TEXT,
    "tier": _TEXT_OR_NULL,
    "model": _TEXT_OR_NULL,
    "gated": _FLAG,
    "certificate": _TEXT_OR_NULL,
    "escalations": _COUNT,
    "rounds": _COUNT,
    "calls": _COUNT,
    "cost": _NUMBER,
    "latency_s": _NUMBER,
    "recognized": _FLAG,
    "released": _TEXT_OR_NULL,
    "overruled": _TEXT_OR_NULL,
    "degraded": _list(_TEXT),
}
_SUREFOOT = {
    "description": "The decision beside the answer.",
    **_object({**_DECIDED, "trail": _TRAIL}, optional=("trail",)),
}
_USAGE = _object({"prompt_tokens": _COUNT, "completion_tokens": _COUNT, "total_tokens": _COUNT})
_TOOL_CALL = _object(
    {
        "id": _TEXT,
        "type": {"const": "function"},
        "function": _object({"name": _TEXT, "arguments": _TEXT}),
    }
)
_MESSAGE = _object(
    {
        "role": {"const": "assistant"},
        "content": _TEXT_OR_NULL,
        "refusal": {"type": "null"},
        "tool_calls": _list(_TOOL_CALL),
    },
    optional=("tool_calls",),
)


def _completion(kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    whole = {"index": _COUNT, **choice, "logprobs": _or_null("object"), "finish_reason": _FINISH}
    return _object(
        {
            "id": _TEXT,
            "object": {"const": kind},
            "created": _COUNT,
            "model": _TEXT,
            "choices": {**_list(_object(whole)), "minItems": 1},
            "usage": reference("Usage"),
            "surefoot": reference("Surefoot"),
        }
    )


_MODEL = _object({"id": _TEXT, "object": {"const": "model"}, "created": _COUNT, "owned_by": _TEXT})
_LABEL: dict[str, Any] = {
    "id": _TEXT_OR_NULL,
    "verdict": _TEXT_OR_NULL,
    "correction": _TEXT_OR_NULL,
    "by": _TEXT_OR_NULL,
    "at": _TEXT_OR_NULL,
    "attempt": _TEXT_OR_NULL,
    "audited": _or_null("boolean"),
    "propensity": _SHARE_OR_NULL,
}
_LABEL_OR_NULL = {**_object(_LABEL), "type": ["object", "null"]}
_DECISION = _object(
    {
        "object": {"const": "surefoot.decision"},
        "id": _TEXT,
        "at": _TEXT,
        "thread": _TEXT_OR_NULL,
        "user": _TEXT_OR_NULL,
        "question": _TEXT,
        "answer": _TEXT_OR_NULL,
        "best_answer": _TEXT_OR_NULL,
        **_DECIDED,
        "tokens": _COUNT,
        "policy_id": _TEXT_OR_NULL,
        "label": _LABEL_OR_NULL,
        "attempts": _list({"type": "object"}),
        "passages": _list({"type": "object"}),
        "queries": _list(_TEXT),
        "trail": _TRAIL,
        "feedback": _list(_object(_LABEL)),
    },
    optional=("attempts", "passages", "queries", "trail", "feedback"),
)
_JUDGEMENT = _object(
    {
        "object": {"const": "surefoot.judgement"},
        "action": {"enum": ["answer", "retrieve", "escalate", "abstain"]},
        "confidence": _SHARE_OR_NULL,
        "reason": _TEXT,
        "escalate_to": _TEXT_OR_NULL,
        "gated": _FLAG,
        "certificate": _TEXT_OR_NULL,
        "signals": {"type": "object"},
        "estimate": _or_null("object"),
        "compared": _list({"type": "object"}),
        "alternatives": _list({"type": "object"}),
        "degraded": _list(_TEXT),
        "trail": _TRAIL,
    },
    optional=("trail",),
)

_SPENDING = _object(
    {
        "limit": _NUMBER,
        "per": {"enum": ["hour", "day", "month"]},
        "spent": _NUMBER,
        "held": _NUMBER,
        "left": _NUMBER,
        "began_at": _TEXT,
        "ends_at": _TEXT,
    }
)
_KEY_USAGE = _object(
    {
        "object": {"const": "surefoot.usage"},
        "key": _TEXT,
        "tenant": _TEXT,
        "requests_per_minute": _NUMBER_OR_NULL,
        "max_cost": _NUMBER_OR_NULL,
        "max_risk": _SHARE_OR_NULL,
        "spending": {**_SPENDING, "type": ["object", "null"]},
    }
)

RESPONSES: dict[str, dict[str, Any]] = {
    "Error": _ERROR,
    "Surefoot": _SUREFOOT,
    "Usage": _USAGE,
    "ChatCompletion": _completion("chat.completion", {"message": _MESSAGE}),
    "TextCompletion": _completion("text_completion", {"text": _TEXT}),
    "Model": _MODEL,
    "Models": _object({"object": {"const": "list"}, "data": _list(reference("Model"))}),
    "Judgement": _JUDGEMENT,
    "Decision": _DECISION,
    "Decisions": _object(
        {
            "object": {"const": "list"},
            "data": _list(reference("Decision")),
            "cursor": _TEXT_OR_NULL,
        }
    ),
    "Feedback": _object(
        {
            "object": {"const": "surefoot.feedback"},
            "id": _TEXT,
            "run_id": _TEXT,
            "is_new": _FLAG,
            "label": _LABEL_OR_NULL,
        }
    ),
    "KeyUsage": _KEY_USAGE,
    "Status": _object({"status": {"enum": ["ok", "ready", "draining"]}}),
}
"""By name."""
