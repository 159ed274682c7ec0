"""F03: what is refused for good is one attempt and one typed error, from the bodies that real
endpoints send."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.router.errors import (
    ContentRefused,
    ContextOverflow,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from surefoot.router.protocols import Message, ModelCall, Prompt

from ..adapters.raw_upstream import answering, head

CALL = ModelCall(Prompt(messages=(Message("user", "Which city?"),)), n=3)

Case = tuple[str, int, Any, type[UpstreamError]]


def openai(message: str, code: object = None, kind: object = "invalid_request_error") -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str) -> Any:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def vllm(message: str, kind: str = "BadRequestError", code: int = 400) -> Any:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def llama_cpp(message: str, kind: str, code: int = 400) -> Any:
    return {"error": {"code": code, "message": message, "type": kind, "n_ctx": 4096}}


TOO_LONG = "This model's maximum context length is 8192 tokens. However, "
FILTERED = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management "
    "policy. Please modify your prompt and retry."
)
OVERFLOWS: list[Case] = [
    (name, status, body, ContextOverflow)
    for name, status, body in (
        ("openai", 400, openai(TOO_LONG + "you sent 9000.", "context_length_exceeded")),
        (
            "openai-configured",
            400,
            openai("Input tokens exceed the configured limit.", "context_length_exceeded"),
        ),
        ("vllm", 400, vllm(TOO_LONG + "your request has 9000 input tokens.")),
        ("vllm-nested", 400, {"error": vllm(TOO_LONG + "you requested 9000 tokens.")}),
        (
            "vllm-engine",
            400,
            vllm("The decoder prompt (length 5016) is longer than the maximum model length of 10."),
        ),
        ("vllm-rest", 400, vllm("max_tokens must be at least 1, got -186.")),
        (
            "vllm-both-limits",
            400,
            vllm(
                "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum "
                "context length is 8192 tokens and your request has 1210 input tokens"
            ),
        ),
        ("sglang", 400, vllm("The input (90 tokens) is longer than the model's context length.")),
        (
            "llama.cpp",
            400,
            llama_cpp(
                "request (4390 tokens) exceeds the available context size (4096 tokens), try "
                "increasing it",
                "exceed_context_size_error",
            ),
        ),
        (
            "llama.cpp-as-failure",
            500,
            llama_cpp("Context size has been exceeded.", "server_error", 500),
        ),
        ("llama-cpp-python", 500, openai("Requested tokens (9) exceed context window of 8")),
        ("ollama", 400, openai("the input length exceeds the context length", None, "api_error")),
        ("ollama-as-failure", 500, {"error": "input exceeds context length"}),
        (
            "anthropic",
            400,
            anthropic("invalid_request_error", "prompt is too long: 215 tokens > 200 maximum"),
        ),
        (
            "anthropic-with-output",
            400,
            anthropic(
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, "
                "decrease input length or `max_tokens` and try again",
            ),
        ),
        ("anthropic-size", 413, anthropic("request_too_large", "Request exceeds the maximum size")),
        (
            "gemini",
            400,
            [{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "The input token "
               "count (1200000) exceeds the maximum number of tokens allowed (1048576)."}}],
        ),
        (
            "mistral",
            400,
            vllm("Prompt contains 40000 tokens, too large for model with 32768 maximum context"),
        ),
        (
            "tgi",
            422,
            {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2",
             "error_type": "validation"},
        ),
        (
            "openrouter-wrapped",
            400,
            {"error": {"message": "Provider returned error", "code": 400,
                       "metadata": {"raw": json.dumps(openai(TOO_LONG + "no.")), "provider": "x"}}},
        ),
        (
            "litellm",
            400,
            openai(
                "litellm.BadRequestError: litellm.ContextWindowExceededError: VLLMException - "
                + "x" * 400 + TOO_LONG, "400", None),
        ),
    )
]  # fmt: skip
POLICIES: list[Case] = [
    (name, status, body, ContentRefused)
    for name, status, body in (
        (
            "azure",
            400,
            {"error": {"message": FILTERED, "type": None, "param": "prompt",
                       "code": "content_filter", "status": 400,
                       "innererror": {"code": "ResponsibleAIPolicyViolation",
                                      "content_filter_result": {"hate": {"filtered": True}}}}},
        ),
        (
            "azure-only-inside",
            400,
            {"error": {"message": "Bad request", "type": None, "code": "400",
                       "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        ),
        ("litellm", 400, openai(f"litellm.ContentPolicyViolationError: {FILTERED}", "400", None)),
        (
            "openai",
            400,
            openai("Your request was rejected as a result of our safety system.",
                   "content_policy_violation"),
        ),
        (
            "openai-reasoning",
            400,
            openai("Invalid prompt: your prompt was flagged as potentially violating our usage "
                   "policy. Please try again with a different prompt.", "invalid_prompt"),
        ),
        (
            "openrouter",
            403,
            {"error": {"code": 403, "message": "openai/gpt-4o requires moderation on OpenAI. Your "
                       "input was flagged for \"violence\".", "metadata": {"flagged_input": "x"}}},
        ),
        (
            "anthropic",
            400,
            anthropic("invalid_request_error", "Output blocked by content filtering policy"),
        ),
        (
            "dashscope",
            400,
            openai("Input data may contain inappropriate content.", "data_inspection_failed"),
        ),
    )
]  # fmt: skip
UNAUTHORIZED: list[Case] = [
    (name, status, body, UpstreamUnauthorized)
    for name, status, body in (
        ("openai", 401, openai("Incorrect API key provided: sk-x.", "invalid_api_key")),
        (
            "azure",
            401,
            {"statusCode": 401, "message": "Unauthorized. Access token is missing or invalid."},
        ),
        ("azure-nested", 401, {"error": {"code": "401", "message": "Access denied"}}),
        ("vllm", 401, {"error": "Unauthorized"}),
        ("llama.cpp", 401, llama_cpp("Invalid API Key", "authentication_error", 401)),
        ("anthropic", 401, anthropic("authentication_error", "invalid x-api-key")),
        ("no-credit", 402, {"error": {"message": "Insufficient credits", "code": 402}}),
        ("forbidden", 403, anthropic("permission_error", "Your API key may not use this model")),
        ("a-firewall", 403, b"<html><h1>403 Forbidden</h1></html>"),
        ("talks-of-policies", 401, openai("Your key broke our usage policies", "x")),
    )
]
REFUSED: list[Case] = [
    (name, status, body, UpstreamRefused)
    for name, status, body in (
        ("openai-model", 404, openai("The model `x` does not exist", "model_not_found")),
        ("vllm-model", 404, vllm("The model `x` does not exist.", "NotFoundError", 404)),
        ("ollama-model", 404, openai('model "x" not found, try pulling it', None, "api_error")),
        (
            "openai-logprobs",
            403,
            {
                "error": {
                    "message": "You are not allowed to request logprobs from this model.",
                    "type": "invalid_request_error",
                    "param": "logprobs",
                    "code": None,
                }
            },
        ),
        ("nothing-there", 404, {"detail": "Not Found"}),
        ("not-that-method", 405, b""),
        (
            "fields",
            422,
            {"detail": [{"type": "int_parsing", "loc": ["body", "k"], "msg": "not an integer",
                         "input": "what is the maximum context length, by our content policy?"}]},
        ),
        ("redirected", 308, b""),
        ("any-400", 400, openai("Invalid value for 'stop'")),
    )
]  # fmt: skip
CASES = OVERFLOWS + POLICIES + UNAUTHORIZED + REFUSED


def written(status: int, body: Any, *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    length = f"Content-Length: {len(data)}"
    return head(length, *headers, status=status, kind="application/json") + data


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [case[1:] for case in CASES],
    ids=[f"{case[3].__name__}-{case[0]}" for case in CASES],
)
@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
async def test_one_attempt_and_one_typed_error(
    status: int, body: Any, expected: type[UpstreamError], streams: bool
) -> None:
    async with answering([written(status, body)]) as server:
        model = OpenAIModel(server.base_url, "m")
        call = replace(CALL, n=1) if streams else CALL
        with pytest.raises(UpstreamRefused) as caught:
            await model.generate(call, (lambda tokens: pytest.fail()) if streams else None)
        await model.aclose()
        assert type(caught.value) is expected
        assert len(server.bodies) == 1
        assert caught.value.reach == "answered"


async def test_a_message_names_the_fields_and_not_what_was_in_them() -> None:
    _, status, body, _ = next(case for case in REFUSED if case[0] == "fields")
    async with answering([written(status, body)]) as server:
        model = OpenAIModel(server.base_url, "m")
        with pytest.raises(UpstreamRefused) as caught:
            await model.generate(CALL)
        await model.aclose()
    assert str(caught.value) == "m answered with status 422: body.k: not an integer"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, openai("Rate limit reached", "rate_limit_exceeded", "tokens"), UpstreamRateLimited),
        (429, anthropic("rate_limit_error", "too many requests"), UpstreamRateLimited),
        (500, anthropic("api_error", "Internal server error"), UpstreamUnavailable),
        (503, llama_cpp("Loading model", "unavailable_error", 503), UpstreamUnavailable),
        (529, anthropic("overloaded_error", "Overloaded"), UpstreamUnavailable),
        (502, b"<html>Bad Gateway: maximum context length</html>", UpstreamUnavailable),
        (202, b"", UpstreamMalformed),
        (204, b"", UpstreamMalformed),
    ],
)
async def test_what_may_pass_is_no_refusal(
    status: int, body: Any, expected: type[UpstreamError]
) -> None:
    async with answering([written(status, body)]) as server:
        model = OpenAIModel(server.base_url, "m")
        with pytest.raises(UpstreamError) as caught:
            await model.generate(CALL)
        await model.aclose()
        assert type(caught.value) is expected
        assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("status", "headers", "body", "wait", "again"),
    [
        (503, ["Retry-After: 7"], b"", 7.0, None),
        (429, ["retry-after-ms: 1500", "Retry-After: 2"], b"", 1.5, None),
        (429, ["x-should-retry: false", "Retry-After: 2"], b"", 2.0, False),
        (500, ["x-should-retry: true"], b"", None, True),
        (429, [], openai("You exceeded your current quota", "insufficient_quota"), None, False),
        (429, [], openai("Request too large for gpt-4 in organization o", "x"), None, False),
        (429, [], openai("Rate limit reached. Please try again in 6m0s.", "x"), 360.0, None),
        (429, [], openai("exceeded the call rate limit. Please retry after 6 seconds."), 6.0, None),
        (429, [], [{"error": {"message": "q", "details": [{"retryDelay": "34.5s"}]}}], 34.5, None),
        (429, ["Retry-After: soon"], b"", None, None),
    ],
)
async def test_what_the_endpoint_asks_for_comes_with_the_error(
    status: int, headers: list[str], body: Any, wait: float | None, again: bool | None
) -> None:
    async with answering([written(status, body, *headers)]) as server:
        model = OpenAIModel(server.base_url, "m")
        with pytest.raises(UpstreamError) as caught:
            await model.generate(CALL)
        await model.aclose()
    assert (caught.value.retry_after_s, caught.value.should_retry) == (wait, again)
