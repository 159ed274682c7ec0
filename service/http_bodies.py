"""Bodies of requests, as OpenAI's clients send them, checked by small types."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .http_errors import HttpError, bad_request

__all__ = [
    "ChatBody",
    "ChatMessage",
    "CompletionBody",
    "GenerationBody",
    "Overrides",
    "StreamOptions",
    "parse_body",
    "refusal_of",
]

T = TypeVar("T", bound=BaseModel)

_MOST_CHOICES = 16
_MOST_STOPS = 16

Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class _Body(BaseModel):
    # Strict: JSON tells numbers, texts and booleans apart. Fields that are not known are passed on.
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class StreamOptions(_Body):
    """How a stream ends."""

    include_usage: bool | None = None


class Overrides(BaseModel):
    """What a request may ask of Surefoot: tighter limits than configured, its trail, and that a
    stream is not `live`: nothing of it is shown before the decision then."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max_cost: Amount | None = None
    max_calls: Count | None = None
    max_tokens: Count | None = None
    rounds: Annotated[int, Field(ge=0)] | None = None
    risk: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | None = None
    trail: bool = False
    live: bool = True


class ChatMessage(_Body):
    """One message; what else it holds (tool calls, a name) is passed on as it came."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None


class GenerationBody(_Body):
    """What both endpoints that generate have in common.

    `temperature` and `seed` are taken and not used: drafts are greedy, since confidence is measured
    on greedy drafts. `n` repeats the one answer for the same reason.
    """

    model: str
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n: Annotated[int, Field(ge=1, le=_MOST_CHOICES)] | None = None
    stop: str | Annotated[list[str], Field(max_length=_MOST_STOPS)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    seed: int | None = None
    user: str | None = None
    surefoot: Overrides = Overrides()

    @property
    def stops(self) -> tuple[str, ...]:
        """Where the answer ends, as a tuple."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def wants_usage(self) -> bool:
        """Whether a stream tells its usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class ChatBody(GenerationBody):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


class CompletionBody(GenerationBody):
    """`POST /v1/completions`, with one prompt."""

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)]
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @property
    def text(self) -> str:
        """The prompt."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]


def parse_body(kind: type[T], data: bytes) -> T:
    """The body as a record.

    Raises:
        HttpError: 400, naming the first field that is wrong.
    """
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise refusal_of(error) from error


def refusal_of(error: ValidationError) -> HttpError:
    """The first thing that is wrong, named."""
    first = error.errors(include_url=False, include_context=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or None
    where = "the body" if param is None else f"'{param}'"
    return bad_request(f"{where}: {first['msg']}", param)
