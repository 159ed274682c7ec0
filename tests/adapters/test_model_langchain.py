"""LangChain models: what is asked of them, how their answers are read, and how they fail."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda

from surefoot.adapters.model_langchain import LangChainModel
from surefoot.adapters.model_langchain_opening import open_langchain_model
from surefoot.adapters.model_langchain_reading import finish_of, read_answer
from surefoot.router.errors import (
    ConfigurationError,
    DeadlineExceeded,
    RunError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from surefoot.router.evidence import Token, ToolCall
from surefoot.router.protocols import CallOptions, Message, ModelCall, Prompt
from surefoot.router.requests import Continue, PrefixVerdict, Stop

from .scripted_upstream import Upstream, running_upstream

CALL = ModelCall(Prompt(messages=(Message("user", "Capital of France?"),)), top_logprobs=5)
STOP = {"finish_reason": "stop"}


def entry(token: str, logprob: float, **more: Any) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, **more}


class Recording(BaseChatModel):
    """A chat model that says what it is told to, and keeps the fields that it was asked with."""

    answer: Any = None
    temperature: float | None = 0.3
    max_tokens: int | None = None
    seed: int | None = None
    seen: list[dict[str, Any]] = []  # noqa: RUF012  # a field of pydantic's, copied for each model

    @property
    def _llm_type(self) -> str:
        return "recording"

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *rest: Any, **kwargs: Any
    ) -> ChatResult:
        self.seen.append(
            {
                "temperature": self.temperature,
                "max_tokens": self.max_tokens,
                "seed": self.seed,
                "stop": stop,
                "thread": threading.current_thread().name,
                "roles": [message.type for message in messages],
                **kwargs,
            }
        )
        found = self.answer(self) if callable(self.answer) else self.answer
        if isinstance(found, Exception):
            raise found
        return ChatResult(generations=[ChatGeneration(message=found)])


def recording(answer: Any) -> Recording:
    return Recording(answer=answer, seen=[])


PARIS = AIMessage("Paris.", response_metadata=STOP)

# --- how answers are read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"finish_reason": "stop"}, "stop"),
        ({"finish_reason": "STOP"}, "stop"),
        ({"stop_reason": "end_turn"}, "stop"),
        ({"stop_reason": "stop_sequence"}, "stop"),
        ({"stopReason": "max_tokens"}, "length"),
        ({"done_reason": "length"}, "length"),
        ({"finish_reason": "eos_token"}, "stop"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"finish_reason": "SAFETY"}, "content_filter"),
        ({"stop_reason": "tool_use"}, "tool_calls"),
        ({"status": "completed"}, "stop"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "length",
        ),
        ({"status": "incomplete", "incomplete_details": None}, None),
        ({"finish_reason": "stopstop"}, None),
        ({"finish_reason": None, "stop_reason": "end_turn"}, "stop"),
        ({}, None),
    ],
)
def test_why_an_answer_ended_has_many_names(metadata: dict[str, Any], reason: str | None) -> None:
    assert finish_of(metadata)[0] == reason


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "without a finish reason"),
        ({"finish_reason": "pause_turn"}, "unknown reason"),
        ({"status": "incomplete", "incomplete_details": None}, "unknown reason"),
    ],
)
def test_an_answer_of_unknown_end_is_truncated(metadata: dict[str, Any], words: str) -> None:
    with pytest.raises(UpstreamTruncated, match=words):
        read_answer("m", AIMessage("Paris", response_metadata=metadata), 10)


def test_what_says_nothing_may_be_declared_whole_and_what_says_something_odd_may_not() -> None:
    assert read_answer("m", "Paris", 10, "stop").generation.is_complete
    with pytest.raises(UpstreamTruncated):
        read_answer("m", AIMessage("P", response_metadata={"finish_reason": "?"}), 10, "stop")


class Entry:
    """As Ollama's client has them: an object, not a dict."""

    def __init__(self, token: str, logprob: float) -> None:
        self.token = token
        self.logprob = logprob
        self.top_logprobs = [entry(token, logprob), entry("~", -3.0)]


@pytest.mark.parametrize(
    "logprobs",
    [
        {"content": [entry("Paris", -0.5), entry(".", -0.25)]},
        [entry("Paris", -0.5), entry(".", -0.25)],
        [Entry("Paris", -0.5), Entry(".", -0.25)],
    ],
)
def test_logprobs_are_read_in_every_shape(logprobs: Any) -> None:
    message = AIMessage("Paris.", response_metadata={**STOP, "logprobs": logprobs})
    tokens = read_answer("m", message, 10).generation.tokens
    assert [(token.token, token.logprob) for token in tokens] == [("Paris", -0.5), (".", -0.25)]


def test_logprobs_in_the_content_blocks_are_read() -> None:
    block = {"type": "text", "text": "Paris.", "logprobs": [entry("Paris", -0.5), entry(".", -1)]}
    message = AIMessage([block], response_metadata={"status": "completed"})
    answer = read_answer("m", message, 10).generation
    assert answer.text == "Paris."
    assert [token.logprob for token in answer.tokens] == [-0.5, -1.0]


@pytest.mark.parametrize(
    "logprobs", [None, [], {}, {"content": None}, "text", [entry("Lyon", -0.1)], [1, 2]]
)
def test_logprobs_of_something_else_are_none(logprobs: Any) -> None:
    message = AIMessage("Paris.", response_metadata={**STOP, "logprobs": logprobs})
    assert read_answer("m", message, 10).generation.tokens == ()


def test_control_tokens_at_the_end_are_marked() -> None:
    logprobs = [entry("Paris", -0.5), entry("", -0.1)]
    message = AIMessage("Paris", response_metadata={**STOP, "logprobs": logprobs})
    assert [t.special for t in read_answer("m", message, 9).generation.tokens] == [None, True]


def test_tool_calls_come_as_they_were_written() -> None:
    written = '{"city":  "Paris"}'
    message = AIMessage(
        "",
        tool_calls=[{"name": "weather", "args": {"city": "Paris"}, "id": "1"}],
        response_metadata=STOP,  # what ends with a forced tool says so
    )
    answer = read_answer("m", message, 10).generation
    assert answer.tool_calls == (ToolCall("weather", '{"city": "Paris"}'),)
    assert answer.finish_reason == "tool_calls" and answer.is_complete
    message.additional_kwargs["tool_calls"] = [
        {"id": "1", "type": "function", "function": {"name": "weather", "arguments": written}}
    ]
    assert read_answer("m", message, 10).generation.tool_calls == (ToolCall("weather", written),)


def test_a_broken_tool_call_is_kept_as_it_is() -> None:
    broken = {"name": "weather", "args": '{"city', "id": "1", "error": "no JSON"}
    message = AIMessage("", invalid_tool_calls=[broken], response_metadata=STOP)
    assert read_answer("m", message, 9).generation.tool_calls == (ToolCall("weather", '{"city'),)


def test_a_refusal_is_no_answer() -> None:
    message = AIMessage("", additional_kwargs={"refusal": "I cannot."}, response_metadata=STOP)
    answer = read_answer("m", message, 10).generation
    assert (answer.text, answer.finish_reason) == ("I cannot.", "content_filter")
    assert not answer.is_complete


def test_usage_is_as_reported_or_rather_too_high() -> None:
    usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
    message = AIMessage("Paris.", response_metadata=STOP, usage_metadata=usage)
    found = read_answer("m", message, 300)
    assert (found.tokens_in, found.tokens_out) == (7, 2)
    message = AIMessage("Paris.", response_metadata=STOP)
    found = read_answer("m", message, 300)
    assert (found.tokens_in, found.tokens_out) == (100, 2)


@pytest.mark.parametrize("found", [None, 7, {"answer": "Paris"}, ["Paris"]])
async def test_what_is_no_message_is_malformed(found: Any) -> None:
    with pytest.raises(UpstreamMalformed, match="expected a message"):
        await LangChainModel(RunnableLambda(lambda messages: found)).generate(CALL)


# --- what is asked -------------------------------------------------------------------------------


async def test_a_call_is_set_on_the_fields_that_the_model_has() -> None:
    chat = recording(PARIS)
    call = replace(CALL, n=3, temperature=0.8, max_tokens=33, seed=5)
    messages = (Message("system", "Be brief."), Message("user", "?"), Message("assistant", "!"))
    prompt = Prompt(messages=messages, stop=("\n", ""))
    completion = await LangChainModel(chat).generate(replace(call, prompt=prompt))
    assert completion.calls == 3
    assert sorted(each["seed"] for each in chat.seen) == [5, 6, 7]
    assert {each["temperature"] for each in chat.seen} == {0.8}
    assert {each["max_tokens"] for each in chat.seen} == {33}
    assert all(each["stop"] == ["\n"] for each in chat.seen)
    assert all(each["roles"] == ["system", "human", "ai"] for each in chat.seen)
    assert (chat.temperature, chat.seed) == (0.3, None)  # the application's own stays as it was


async def test_what_the_application_has_bound_itself_wins() -> None:
    chat = recording(PARIS)
    await LangChainModel(chat.bind(user="me")).generate(CALL)
    assert chat.seen[0]["user"] == "me"
    assert chat.seen[0]["temperature"] == 0.0


async def test_a_model_that_is_not_async_runs_in_threads_of_its_own() -> None:
    chat = recording(PARIS)
    await LangChainModel(chat).generate(CALL)
    assert chat.seen[0]["thread"].startswith("surefoot-langchain-model")


async def test_a_hanging_model_holds_neither_the_deadline_nor_the_loop() -> None:
    free = threading.Event()
    chat = recording(lambda model: (free.wait(5), PARIS)[1])
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"0\.05"):
        await LangChainModel(chat).generate(replace(CALL, timeout_s=0.05))
    assert time.monotonic() - began < 0.25
    free.set()


async def test_samples_never_come_from_a_cache() -> None:
    count = iter(range(100))
    chat = recording(lambda model: AIMessage(f"{next(count)}", response_metadata=STOP))
    chat = chat.model_copy(update={"cache": InMemoryCache()})
    model = LangChainModel(chat)
    sampled = await model.generate(replace(CALL, n=4, temperature=1.0))
    assert len({each.text for each in sampled.generations}) == 4
    drafts = [(await model.generate(CALL)).generations[0].text for _ in range(2)]
    assert drafts[0] == drafts[1]  # a draft may: it is the same question


async def test_an_empty_prompt_and_an_unknown_role_are_refused() -> None:
    model = LangChainModel(recording(PARIS))
    with pytest.raises(UpstreamRefused, match="empty"):
        await model.generate(replace(CALL, prompt=Prompt()))
    with pytest.raises(UpstreamRefused, match="LangChain"):
        await model.generate(replace(CALL, prompt=Prompt(messages=(Message("judge", "?"),))))


async def test_a_callers_own_message_is_handed_on_as_it_is() -> None:
    given: list[Any] = []

    def answer(messages: list[BaseMessage]) -> AIMessage:
        given.extend(messages)
        return PARIS

    raw = {"role": "tool", "content": "sunny", "tool_call_id": "7"}
    prompt = Prompt(messages=(Message("user", "?"), Message("tool", "sunny", json.dumps(raw))))
    await LangChainModel(RunnableLambda(answer)).generate(replace(CALL, prompt=prompt))
    assert [(one.type, one.text) for one in given] == [("human", "?"), ("tool", "sunny")]
    assert given[1].tool_call_id == "7"


async def test_tools_need_a_model_that_calls_them() -> None:
    tools = CallOptions(tools='[{"type": "function", "function": {"name": "f"}}]')
    models: list[Any] = [recording(PARIS), RunnableLambda(lambda messages: PARIS)]
    for model in models:
        with pytest.raises(UpstreamRefused, match="tools"):
            await LangChainModel(model).generate(replace(CALL, options=tools))


async def test_a_temperature_that_is_refused_is_left_out_from_then_on() -> None:
    def answer(model: Recording) -> Any:
        if model.temperature != 0.3:
            return ValueError("status 400: Unsupported value: 'temperature' does not support 0.0")
        return PARIS

    class Picky(Recording):
        def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
            try:
                return super()._generate(*args, **kwargs)
            except ValueError as error:
                refused = RuntimeError(str(error))
                refused.status_code = 400  # type: ignore[attr-defined]  # as clients do
                raise refused from error

    chat = Picky(answer=answer, seen=[])
    model = LangChainModel(chat)
    for _ in range(2):
        assert (await model.generate(CALL)).generations[0].text == "Paris."
    assert [each["temperature"] for each in chat.seen] == [0.0, 0.3, 0.3]
    assert model.capabilities.notes == ("does not take a temperature",)


class Streaming(BaseChatModel):
    """Streams chunks with logprobs, and may fail before one of them."""

    chunks: list[Any] = []  # noqa: RUF012  # a field of pydantic's
    log: list[str] = []  # noqa: RUF012
    logprobs: bool | None = None

    @property
    def _llm_type(self) -> str:
        return "streaming"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise AssertionError("it is to be streamed")

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        try:
            for chunk in self.chunks:
                await asyncio.sleep(0)
                if isinstance(chunk, Exception):
                    raise chunk
                self.log.append("sent")
                yield ChatGenerationChunk(message=chunk)
        finally:
            self.log.append("closed")


def chunk(text: str, *entries: dict[str, Any], **metadata: Any) -> AIMessageChunk:
    if entries:
        metadata["logprobs"] = {"content": list(entries)}
    return AIMessageChunk(content=text, response_metadata=metadata)


HALVES = "\N{SNOWMAN}".encode()


async def test_a_stream_is_judged_as_it_comes_and_put_together() -> None:
    chunks = [
        chunk("It ", entry("It", -0.1, bytes=[73, 116]), entry(" ", -0.2, bytes=[32])),
        chunk("", entry("\\xe2", -0.3, bytes=list(HALVES[:1]))),
        chunk("\N{SNOWMAN}", entry("\\x98\\x83", -0.4, bytes=list(HALVES[1:]))),
        chunk("", finish_reason="stop", model_name="m"),
        chunk("", model_name="m"),
    ]
    seen: list[str] = []

    def watch(tokens: Any) -> PrefixVerdict:
        seen.append("".join(token.token for token in tokens))
        return Continue()

    model = LangChainModel(Streaming(chunks=chunks, log=[]))
    (answer,) = (await model.generate(CALL, watch)).generations
    assert seen == ["It ", "It \N{SNOWMAN}"]
    assert (answer.text, answer.finish_reason) == ("It \N{SNOWMAN}", "stop")
    assert [token.logprob for token in answer.tokens] == [-0.1, -0.2, -0.3, -0.4]


async def test_a_stop_closes_the_stream() -> None:
    words = [chunk(f"{i} ", entry(f"{i} ", -0.1)) for i in range(50)]
    chat = Streaming(chunks=words, log=[])
    (answer,) = (
        await LangChainModel(chat).generate(
            CALL, lambda tokens: Stop("enough") if len(tokens) == 3 else Continue()
        )
    ).generations
    assert (answer.text, answer.finish_reason) == ("0 1 2", "stopped")
    await asyncio.sleep(0.01)  # generators within generators are closed by the event loop
    assert chat.log == ["sent"] * 3 + ["closed"]


@pytest.mark.parametrize("cut", range(3))
async def test_a_stream_that_ends_early_is_truncated(cut: int) -> None:
    whole = [chunk("a", entry("a", -0.1)), chunk("b", entry("b", -0.1))]
    chunks = [*whole, chunk("", finish_reason="stop")][:cut]
    with pytest.raises(RunError) as raised:
        await LangChainModel(Streaming(chunks=chunks, log=[])).generate(CALL, lambda t: Continue())
    assert isinstance(raised.value, UpstreamTruncated | UpstreamMalformed | UpstreamUnavailable)


async def test_an_error_within_a_stream_is_a_truncation() -> None:
    chunks = [chunk("a", entry("a", -0.1)), RuntimeError("the upstream went away")]
    with pytest.raises(UpstreamTruncated, match=r"broke off.*went away"):
        await LangChainModel(Streaming(chunks=chunks, log=[])).generate(CALL, lambda t: Continue())


async def test_a_draft_in_a_graph_is_not_streamed_to_its_user() -> None:
    from langgraph.graph import START, MessagesState, StateGraph

    fake = GenericFakeChatModel(messages=iter([AIMessage("Paris it is"), AIMessage("and more")]))
    model = LangChainModel(fake, unmarked="stop")

    async def gated(state: MessagesState) -> dict[str, Any]:
        completion = await model.generate(CALL)
        return {"messages": [AIMessage(completion.generations[0].text, id="gated")]}

    graph = StateGraph(MessagesState).add_node("gated", gated).add_edge(START, "gated").compile()
    parts: Any = graph.astream({"messages": []}, stream_mode="messages")
    streamed = [message.id async for message, _ in parts]
    assert set(streamed) == {"gated"}


# --- a real client against a server --------------------------------------------------------------


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as running:
        yield running


Opener = Any


@pytest.fixture
async def chat_openai(upstream: Upstream) -> AsyncIterator[Opener]:
    openai = pytest.importorskip("langchain_openai")
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    clients = DefaultHttpxClient(), DefaultAsyncHttpxClient()

    def open_chat(model: str, **more: Any) -> Any:
        return openai.ChatOpenAI(
            model=model,
            base_url=upstream.base_url,
            api_key="sk-very-secret-key-0123456789",
            http_client=clients[0],
            http_async_client=clients[1],
            **more,
        )

    yield open_chat
    clients[0].close()
    await clients[1].aclose()


async def test_chat_openai_asks_for_what_the_call_says(
    chat_openai: Opener, upstream: Upstream
) -> None:
    call = replace(CALL, temperature=0.5, max_tokens=9, seed=3, n=2)
    completion = await LangChainModel(chat_openai("ok")).generate(call)
    bodies = [seen.body for seen in upstream.seen]
    assert sorted(body["seed"] for body in bodies) == [3, 4]
    assert {body["temperature"] for body in bodies} == {0.5}
    assert {body["max_completion_tokens"] for body in bodies} == {9}
    assert all(body["logprobs"] is True and body["top_logprobs"] == 5 for body in bodies)
    assert all(body.get("n") in (None, 1) for body in bodies)
    assert (completion.tokens_in, completion.tokens_out, completion.calls) == (22, 4, 2)
    assert [token.logprob for token in completion.generations[0].tokens] == [-0.25, -0.5]


@pytest.mark.parametrize(
    ("behavior", "error"),
    [
        ("status:500", UpstreamUnavailable),
        ("status:503", UpstreamUnavailable),
        ("status:400", UpstreamRefused),
        ("status:401", UpstreamRefused),
        ("status:404", UpstreamRefused),
        ("429:7", UpstreamRateLimited),
        ("badjson", UpstreamMalformed),
        ("empty", UpstreamMalformed),
        ("html", UpstreamMalformed),
        ("no-finish", UpstreamTruncated),
        ("odd-finish", UpstreamTruncated),
        ("overflow", UpstreamRefused),
    ],
)
@pytest.mark.parametrize("retries", [None, 3])
async def test_every_failure_is_typed_and_asked_for_once(
    chat_openai: Opener,
    upstream: Upstream,
    behavior: str,
    error: type[RunError],
    retries: int | None,
) -> None:
    given = {} if retries is None else {"max_retries": retries}
    with pytest.raises(error) as raised:
        await LangChainModel(chat_openai(behavior, **given)).generate(CALL)
    assert len(upstream.seen) == 1
    if isinstance(raised.value, UpstreamRateLimited):
        assert raised.value.retry_after_s == 7.0
    assert "sk-very-secret" not in str(raised.value)


async def test_the_applications_own_model_keeps_its_retries(
    chat_openai: Opener, upstream: Upstream
) -> None:
    chat = chat_openai("status:500", max_retries=1)
    LangChainModel(chat)
    with pytest.raises(Exception, match="it went wrong"):
        await chat.ainvoke("hi")
    assert len(upstream.seen) == 2


async def test_a_deadline_frees_the_connection(chat_openai: Opener, upstream: Upstream) -> None:
    tasks = len(asyncio.all_tasks())
    with pytest.raises(DeadlineExceeded):
        await LangChainModel(chat_openai("hang")).generate(replace(CALL, timeout_s=0.2))
    for _ in range(50):
        if not upstream.open_connections:
            break
        await asyncio.sleep(0.01)
    assert upstream.open_connections == 0
    assert len(asyncio.all_tasks()) <= tasks + 1  # the server's own last task


async def test_tools_and_formats_go_to_the_endpoint(
    chat_openai: Opener, upstream: Upstream
) -> None:
    function = {"name": "weather", "description": "?", "parameters": {"type": "object"}}
    tools = CallOptions(
        tools=json.dumps([{"type": "function", "function": function}]),
        tool_choice="auto",
        parallel_tool_calls=False,
    )
    others = CallOptions(response_format='{"type": "json_object"}', others='{"top_p": 0.9}')
    model = LangChainModel(chat_openai("ok"))
    for options in (tools, others):
        await model.generate(replace(CALL, options=options))
    first, second = (seen.body for seen in upstream.seen)
    assert first["tools"][0]["function"]["name"] == "weather"
    assert (first["tool_choice"], first["parallel_tool_calls"]) == ("auto", False)
    assert (second["response_format"], second["top_p"]) == ({"type": "json_object"}, 0.9)


def test_a_model_may_be_used_on_one_event_loop_after_the_other() -> None:
    """LangChain keeps OpenAI's connections for the whole process, those of ended loops as well."""
    openai = pytest.importorskip("langchain_openai")
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    server = ThreadingHTTPServer(("127.0.0.1", 0), _keeping_alive())
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    with DefaultHttpxClient() as sync, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # nobody can close those connections
        client = DefaultAsyncHttpxClient()
        model = LangChainModel(
            openai.ChatOpenAI(
                model="m", base_url=url, api_key="none", http_client=sync, http_async_client=client
            )
        )
        for _ in range(3):
            found = asyncio.run(model.generate(replace(CALL, n=3)))
            assert len(found.generations) == 3
        del model, client
        gc.collect()
    server.shutdown()
    thread.join()
    server.server_close()


def _keeping_alive() -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            message = {"role": "assistant", "content": "Paris."}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = json.dumps({"id": "1", "object": "chat.completion", "choices": [choice]})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a client that is gone, as they all are
                super().handle()

        def log_message(self, format: str, *args: object) -> None:
            """The test's output is no log."""

    return Handler


@pytest.fixture
def ollama() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Ollama's own wire, as its client reads it: one JSON line a chunk."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            lines: list[Mapping[str, Any]] = [
                {
                    "message": {"role": "assistant", "content": "Paris"},
                    "logprobs": [{"token": "Paris", "logprob": -0.5, "top_logprobs": []}],
                    "done": False,
                },
                {
                    "message": {"role": "assistant", "content": ""},
                    "done": True,
                    "done_reason": "stop",
                    "prompt_eval_count": 12,
                    "eval_count": 1,
                },
            ]
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.end_headers()
            for line in lines:
                data = {"model": "m", "created_at": "2026-11-23T00:00:00Z", **line}
                self.wfile.write(json.dumps(data).encode() + b"\n")

        def log_message(self, format: str, *args: object) -> None:
            """The test's output is no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    thread.join()
    server.server_close()


async def test_chat_ollama_and_its_flat_lists(
    ollama: tuple[str, list[dict[str, Any]]],
) -> None:
    library = pytest.importorskip("langchain_ollama")
    url, asked = ollama
    chat = library.ChatOllama(model="m", base_url=url)
    model = LangChainModel(chat)
    call = replace(CALL, seed=4, temperature=0.5, max_tokens=9)
    seen: list[int] = []

    def look(tokens: Sequence[Token]) -> PrefixVerdict:
        seen.append(len(tokens))
        return Continue()

    for on_tokens in (None, look):
        completion = await model.generate(call, on_tokens)
        (answer,) = completion.generations
        assert (answer.text, answer.finish_reason) == ("Paris", "stop")
        assert [token.logprob for token in answer.tokens] == [-0.5]
        assert (completion.tokens_in, completion.tokens_out) == (12, 1)
    assert seen == [1]
    assert asked[0]["options"]["seed"] == 4
    assert asked[0]["options"]["temperature"] == 0.5
    assert asked[0]["options"]["num_predict"] == 9
    assert (asked[0]["logprobs"], asked[0]["top_logprobs"]) == (True, 5)
    await chat._async_client._client.aclose()
    chat._client._client.close()


# --- what is known, and opening by name ----------------------------------------------------------


def test_capabilities_are_what_the_fields_tell(chat_openai: Opener) -> None:
    plain = LangChainModel(recording(PARIS)).capabilities
    assert (plain.logprobs, plain.streaming, plain.tools, plain.n) == (False, False, False, False)
    chat = LangChainModel(chat_openai("ok")).capabilities
    assert (chat.logprobs, chat.streaming, chat.tools) == (None, True, True)
    responses = LangChainModel(chat_openai("ok", use_responses_api=True)).capabilities
    assert responses.logprobs is False
    assert LangChainModel(RunnableLambda(lambda x: x)).capabilities.logprobs is None


def test_responses_are_asked_for_neither_seed_nor_logprobs(chat_openai: Opener) -> None:
    from surefoot.adapters.model_langchain_binding import ChatFields

    fields = ChatFields.of(chat_openai("ok", use_responses_api=True))
    assert (fields.seed, fields.logprobs, fields.is_responses) == (None, False, True)


def a_model() -> LangChainModel:
    return LangChainModel(RunnableLambda(lambda messages: PARIS), unmarked="stop")


def a_chat(name: str = "x", api_key: str = "") -> Any:
    if name == "bad":
        raise ValueError(f"no such model, key {api_key}")
    return recording(AIMessage(name, response_metadata=STOP))


INSTANCE = recording(PARIS)
NOTHING = 7
HERE = __name__


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> str:
    """This module under a name that can be imported."""
    import sys

    monkeypatch.setitem(sys.modules, "a_users_module", sys.modules[__name__])
    return "a_users_module"


async def test_a_path_names_a_class_a_function_an_instance_or_a_model(here: str) -> None:
    by_function = open_langchain_model(f"{here}:a_chat", {"name": "Lyon"})
    assert (await by_function.generate(CALL)).generations[0].text == "Lyon"
    by_instance = open_langchain_model(f"{here}:INSTANCE")
    assert (await by_instance.generate(CALL)).generations[0].text == "Paris."
    assert (await open_langchain_model(f"{here}:a_model").generate(CALL)).calls == 1
    by_class = open_langchain_model(f"{here}:Recording", {"answer": PARIS, "seen": []})
    assert (await by_class.generate(CALL)).generations[0].text == "Paris."
    assert repr(by_class) == f"LangChainModel('{here}:Recording')"


@pytest.mark.parametrize(
    ("name", "options", "words", "field"),
    [
        ("NOTHING", {}, "expected a LangChain chat model", "model"),
        ("nowhere", {}, "has no 'nowhere'", "model"),
        ("INSTANCE", {"temperature": 1}, "takes no temperature", "options"),
        ("a_chat", {"nam": "x"}, "cannot be made: TypeError", "options"),
        ("a_chat", {"name": "bad", "api_key": "sk-planted-1234"}, r"key \*\*\*", "options"),
        ("Recording", {"temperature": "sk-planted-1234"}, r"ValidationError.*\*\*\*", "options"),
    ],
)
def test_what_cannot_be_made_names_the_field_and_shows_no_secret(
    here: str, name: str, options: dict[str, Any], words: str, field: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"(?s){words}") as raised:
        open_langchain_model(f"{here}:{name}", options)
    assert raised.value.field == field
    assert "planted" not in str(raised.value)
    assert raised.value.__cause__ is None or "planted" not in str(raised.value.__cause__)
