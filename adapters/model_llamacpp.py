"""A local GGUF model as a `Model`, run by llama.cpp inside this process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from ..router.errors import (
    DeadlineExceeded,
    RunError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from ..router.evidence import FinishReason, Generation, Token
from ..router.protocols import Completion, ModelCall, OnTokens, Prompt
from ..router.requests import Stop
from .llamacpp_engine import Chunk, LlamaCppEngine
from .logprobs import read_logprobs
from .weights import DEFAULT_CONTEXT, WeightsFile

__all__ = ["LlamaCppModel"]

NextChunk = Callable[[], Awaitable[Chunk | None]]

_FINISH: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}


class LlamaCppModel:
    """A local model; calls wait for each other, generation runs off the event loop.

    Prompts with messages go through the model's own chat template, and both kinds of prompt are
    then completed as text, so that what is scored is exactly what the model saw and wrote.
    Logprobs are those of the model's own distribution, at temperature 1 and before any sampling;
    any number of candidates can be had. Samples are drawn at the temperature from the whole
    distribution (no top-k, no top-p).

    Every generated token is reported. A token that ended the answer (end of sequence, or the
    token in which a stop string was completed) has no text and is marked `special`. Of a
    character that is split over tokens the engine reports the last token alone: the others appear
    without text and without logprob, so that estimators see the gap.

    At temperature 0, and for a given seed above it, the same call gives the same answer.

    Raises:
        MissingExtra: xllamacpp is not installed.
    """

    def __init__(
        self, weights: WeightsFile, *, context: int | None = None, threads: int | None = None
    ) -> None:
        self._weights = weights
        self._engine = LlamaCppEngine(
            weights.path,
            context=context or weights.context or DEFAULT_CONTEXT,
            threads=threads or _usable_cores(),
        )

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """Answer a prompt `call.n` times, one after the other, answer i with seed + i.

        `on_tokens` is called on the event loop for each token that brings text. The first call
        loads the model, which counts against the time limit.

        Raises:
            DeadlineExceeded: `call.timeout_s` is up; the engine stops at its next token or batch.
            UpstreamRefused: the prompt is empty, longer than the context, or made of messages
                while the model has no chat template.
            UpstreamUnavailable: the model cannot be loaded, or is closed.
        """
        try:
            async with asyncio.timeout(call.timeout_s) as limit:
                return await self._generate(call, on_tokens)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(
                f"{self._weights.name} did not finish within {call.timeout_s} s"
            ) from error

    async def aclose(self) -> None:
        """Free the model's memory. A generation under way ends as unavailable."""
        await asyncio.to_thread(self._engine.close)

    def tokenize(self, text: str) -> list[int]:
        """The token ids that a prompt's text becomes; blocks, and loads the model if need be."""
        return self._engine.tokenize(text)

    async def render(self, prompt: Prompt) -> str:
        """The text that the model is shown: the chat template applied to messages, else the text.

        Raises:
            UpstreamRefused: there is nothing to show, or no template to show messages with.
        """
        if not prompt.messages:
            if not prompt.text:
                raise UpstreamRefused("the prompt is empty; give it text or messages")
            return _encodable(prompt.text)
        if not self._weights.has_chat_template:
            raise UpstreamRefused(
                f"{self._weights.name} has no chat template and cannot be given messages; "
                "give the prompt as text"
            )
        return _encodable(await asyncio.to_thread(self._engine.render, prompt.messages))

    async def _generate(self, call: ModelCall, on_tokens: OnTokens | None) -> Completion:
        text = await self.render(call.prompt)
        transcripts = [
            await self._answer(_request(call, text, place), on_tokens) for place in range(call.n)
        ]
        return Completion(
            tuple(transcript.generation() for transcript in transcripts),
            tokens_in=sum(transcript.tokens_in for transcript in transcripts),
            tokens_out=sum(transcript.tokens_out for transcript in transcripts),
            calls=call.n,
        )

    async def _answer(self, request: Mapping[str, Any], on_tokens: OnTokens | None) -> _Transcript:
        transcript = _Transcript(self._weights.name)
        async with _running(self._engine, request) as next_chunk:
            while (chunk := await next_chunk()) is not None:
                if transcript.add(chunk) and on_tokens is not None:
                    verdict = on_tokens(tuple(transcript.tokens))
                    if isinstance(verdict, Stop):
                        transcript.finish = "stopped"
                        break
        if transcript.finish is None:
            raise UpstreamTruncated(f"{self._weights.name} ended without saying why")
        return transcript


class _Transcript:
    """What has come of one answer so far."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.tokens: list[Token] = []
        self.tokens_in = 0
        self.finish: FinishReason | None = None

    @property
    def tokens_out(self) -> int:
        """Tokens that the model wrote."""
        return len(self.tokens)

    def add(self, chunk: Chunk) -> bool:
        """Take in a chunk; returns whether it brought text."""
        if "error" in chunk:
            raise _error(self._model, chunk["error"])
        try:
            return self._add(chunk)
        except (KeyError, IndexError, TypeError) as error:
            raise UpstreamMalformed(
                f"llama.cpp sent a chunk of an unknown shape: {type(error).__name__}: {error}; "
                "install the version of xllamacpp that this release was tested with"
            ) from error

    def _add(self, chunk: Chunk) -> bool:
        if "prompt_progress" in chunk:
            self.tokens_in = chunk["prompt_progress"]["total"]
            return False
        choice = chunk["choices"][0]
        written = chunk["timings"]["predicted_n"]
        if choice["finish_reason"] is not None:
            self._end(choice["finish_reason"], written)
            return False
        self._fill(written - 1)
        self.tokens.append(_token(choice))
        return bool(choice["text"])

    def generation(self) -> Generation:
        """The answer, outer white space removed."""
        text = "".join(token.token for token in self.tokens).strip()
        return Generation(text, tuple(self.tokens), self.finish)

    def _end(self, reason: str, written: int) -> None:
        self._fill(written)
        self.finish = _FINISH.get(reason)
        if self.finish != "stop":
            return
        end = len(self.tokens)
        while end and not self.tokens[end - 1].token:
            end -= 1
        self.tokens = [
            Token(token.token, token.logprob, token.top_logprobs, special=place >= end)
            for place, token in enumerate(self.tokens)
        ]

    def _fill(self, written: int) -> None:
        """Stand-ins for the tokens inside a split character, of which the engine says nothing."""
        self.tokens += [Token("")] * (written - len(self.tokens))


@asynccontextmanager
async def _running(engine: LlamaCppEngine, request: Mapping[str, Any]) -> AsyncIterator[NextChunk]:
    """A completion in a thread of its own, read chunk by chunk (None at the end); leaving ends it.

    Not a pool's thread: the interpreter waits for a pool before it says that it is ending, and a
    generation under way would hold up the exit.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[Chunk | RunError | None] = asyncio.Queue()
    stop = threading.Event()

    def put(item: Chunk | RunError | None) -> None:
        try:
            loop.call_soon_threadsafe(arrived.put_nowait, item)
        except RuntimeError:  # the loop is closed: nobody reads any more
            stop.set()

    def work() -> None:
        try:
            engine.complete(request, put, stop)
        except RunError as error:
            put(error)
        except Exception as error:  # whatever the library raises; a lost error would hang us
            put(UpstreamMalformed(f"llama.cpp failed: {type(error).__name__}: {error}"))
        put(None)

    async def next_chunk() -> Chunk | None:
        item = await arrived.get()
        if isinstance(item, RunError):
            raise item
        return item

    threading.Thread(target=work, name="surefoot-llamacpp").start()
    try:
        yield next_chunk
    finally:
        stop.set()


def _request(call: ModelCall, text: str, place: int) -> dict[str, Any]:
    request: dict[str, Any] = {
        "prompt": text,
        "max_tokens": max(1, call.max_tokens),
        "temperature": call.temperature,
        "samplers": ["temperature"],
        # The largest 32-bit seed means "a random one" to the engine.
        "seed": (call.seed + place) % (2**32 - 1),
        "stop": [each for each in call.prompt.stop if each],
        "cache_prompt": call.temperature > 0.0,
        "return_progress": True,
        "timings_per_token": True,
    }
    if call.top_logprobs > 0:
        request["logprobs"] = call.top_logprobs
    return request


def _token(choice: Mapping[str, Any]) -> Token:
    found = read_logprobs(choice.get("logprobs")).tokens
    if len(found) != 1:
        return Token(choice["text"])
    return Token(choice["text"], found[0].logprob, found[0].top_logprobs)


def _error(model: str, error: Mapping[str, Any]) -> RunError:
    message = error.get("message", "")
    if error.get("type") == "exceed_context_size_error":
        return UpstreamRefused(
            f"the prompt has {error.get('n_prompt_tokens')} tokens and the context of {model} "
            f"takes {error.get('n_ctx')}; show it fewer passages or use a longer context"
        )
    if str(error.get("code", "")).startswith("4"):
        return UpstreamRefused(f"{model} refused the request: {message}")
    return UpstreamUnavailable(f"{model} failed: {message}")


def _encodable(text: str) -> str:
    """The text with lone surrogates replaced: they have no UTF-8 form."""
    return text.encode("utf-8", "replace").decode()


def _usable_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
