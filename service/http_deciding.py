"""`POST /v1/decide`: what the policy would do with a draft that the caller already has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from ..adapters.evidence_shapes import normalized_evidence
from ..router.errors import BadInput, UsageError
from ..router.evidence import Evidence, Turn
from ..router.evidence_file import parse_evidence
from ..router.offers import Offer
from .documents import judgement_document, trail_document
from .http_bodies import Overrides, parse_body
from .http_errors import HttpError, bad_request, json_response, of_usage
from .http_gateway import Gateway, read_body, unless_left
from .http_requests import allowed_s, budget_within

__all__ = ["DecideBody", "decide"]


class TurnBody(BaseModel):
    """An earlier turn of the conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    question: str
    answer: str


class DecideBody(BaseModel):
    """What `POST /v1/decide` takes.

    `answer` is the draft in words, with the application's own scores under `signals`; `evidence` is
    the documented form of an evidence file instead, with tokens, samples and passages.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    question: Annotated[str, Field(min_length=1)] | None = None
    answer: str | None = None
    signals: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] = Field(default_factory=dict)
    evidence: dict[str, Any] | None = None
    tier: str | None = None
    round: Annotated[int, Field(ge=0)] | None = None
    turns: list[TurnBody] = Field(default_factory=list)
    surefoot: Overrides = Overrides()


async def decide(gateway: Gateway, request: Request) -> Response:
    """The decision about a draft; nothing is generated, searched for or recorded."""
    caller, mark = gateway.welcome(request, "/v1/decide")
    await gateway.admit(caller)
    allowed = allowed_s(request.headers, gateway.settings)
    asked = parse_body(
        DecideBody, await read_body(request, gateway.settings.max_body_bytes, allowed)
    )
    with gateway.deployment.in_use() as built:
        offer = Offer(
            _evidence(asked),
            _tier(built.names, asked.tier),
            asked.round,
            [Turn(one.question, one.answer) for one in asked.turns],
        )
        router = built.router
        left = allowed - (gateway.clock() - mark.began)
        if left <= 0.0:
            raise HttpError(
                504, "deadline_exceeded", "the request's time was up before its turn came"
            )
        budget = budget_within(router.plan.budget, left, caller, asked.surefoot)
        async with gateway.admission.place(left):
            try:
                judged = await unless_left(request.receive, router.judge(offer, budget=budget))
            except UsageError as error:
                raise of_usage(error) from error
    document = {"object": "surefoot.judgement", **judgement_document(judged, built.names)}
    if asked.surefoot.trail:
        document["trail"] = trail_document(judged)
    return json_response(document)


def _tier(names: Sequence[str], name: str | None) -> int:
    if name is None:
        return 0
    if name not in names:
        raise bad_request(f"there is no tier {name[:80]!r}; there is {', '.join(names)}", "tier")
    return names.index(name)


def _evidence(asked: DecideBody) -> Evidence:
    if (asked.evidence is None) == (asked.answer is None):
        raise bad_request("give either 'answer' (with 'question') or 'evidence'", "answer")
    if asked.evidence is None:
        document: dict[str, Any] = {"question": asked.question, "greedy": {"text": asked.answer}}
        if asked.question is None:
            raise bad_request("'question': is missing", "question")
    else:
        document = dict(asked.evidence)
        if asked.question is not None:
            document["question"] = asked.question
    if asked.signals:
        document["given_signals"] = asked.signals
    try:
        line = orjson.dumps(document)
        return parse_evidence(line, "the body", 1, normalized_evidence).evidence
    except BadInput as error:
        field = "evidence" if error.field is None else f"evidence.{error.field}"
        raise bad_request(f"'{field}': {error}", field) from error
    except TypeError as error:
        raise bad_request(f"'evidence': {error}", "evidence") from error
