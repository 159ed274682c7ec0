"""A local causal language model as a `Model`, run by transformers on a GPU or on the CPU."""

from __future__ import annotations

import asyncio
from functools import partial

from ..router.capabilities import Capabilities
from ..router.errors import DeadlineExceeded, UpstreamRefused
from ..router.evidence import Token
from ..router.protocols import Completion, ModelCall, OnTokens
from ..router.requests import Stop
from .model_transformers_decoding import Decoding, Row
from .model_transformers_engine import TransformersEngine
from .model_transformers_files import CausalModel
from .worker_threads import WorkerThreads

__all__ = ["TransformersModel"]


class TransformersModel:
    """A model in this process; it is loaded at the first call, off the event loop.

    Prompts with messages go through the model's own chat template. Logprobs are those of the
    model's own distribution, at temperature 1 and before any sampling; any number of candidates can
    be had. Samples are drawn at the temperature from the whole distribution (no top-k, no top-p),
    all of a call in one batch.

    Every generated token is reported. A token that ended the answer (end of sequence, or what
    belongs to a stop string) has no text and is marked `special`; of a character that is split over
    tokens the last one has the text.

    Hidden states that a call asks for come with every answer, pooled over its tokens with text.

    Calls take turns token by token, in one thread: a call that is cancelled computes at most the
    token under way, or a piece of its prompt. At temperature 0, and for a given seed above it, the
    same call gives the same answer on the same machine.
    """

    def __init__(self, files: CausalModel) -> None:
        self._files = files
        self._engine = TransformersEngine(files)
        self._thread = WorkerThreads("surefoot-transformers", 1)

    def __repr__(self) -> str:
        return f"TransformersModel({self._files.name!r})"

    @property
    def capabilities(self) -> Capabilities:
        """Known without loading it."""
        return Capabilities(
            logprobs=True,
            n=True,
            hidden=True,
            streaming=True,
            context=self._files.context,
            tools=False,
        )

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """Answer a prompt `call.n` times, side by side, answer i with seed + i.

        `on_tokens` is called on the event loop for each token that brings text and cannot be part
        of a stop string. The first call loads the model, which counts against the time limit.

        Raises:
            DeadlineExceeded: `call.timeout_s` is up.
            UpstreamRefused: the prompt is empty, longer than the context, or made of messages
                while the model has no chat template; a layer does not exist; tools are asked for.
            UpstreamUnavailable: the model cannot be loaded or run, or is closed.
            UpstreamMalformed: it returned something that is no number.
        """
        if call.options is not None:
            raise UpstreamRefused(
                f"{self._files.name} writes text alone: tools and response formats need an endpoint"
            )
        try:
            async with asyncio.timeout(call.timeout_s) as limit:
                return await self._generate(call, on_tokens)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(
                f"{self._files.name} did not finish within {call.timeout_s} s"
            ) from error

    async def aclose(self) -> None:
        """Free the model's memory. A generation under way ends as unavailable."""
        await self._thread.run(self._engine.close)

    async def _generate(self, call: ModelCall, on_tokens: OnTokens | None) -> Completion:
        decoding = await self._thread.run(partial(Decoding, self._engine, call))
        shown = [0] * call.n
        while not decoding.is_done:
            await self._thread.run(decoding.step)
            if on_tokens is not None:
                for row in decoding.rows:
                    shown[row.place] = _show(row, shown[row.place], on_tokens)
        found = await self._thread.run(
            lambda: tuple(decoding.generation(row) for row in decoding.rows)
        )
        return Completion(
            found,
            tokens_in=decoding.prompt_tokens * call.n,
            tokens_out=sum(len(each.tokens) for each in found),
            calls=call.n,
        )


def _show(row: Row, shown: int, on_tokens: OnTokens) -> int:
    """Have an answer judged as far as it is certain; returns how many tokens were shown so far."""
    if row.finish == "stopped":
        return shown
    tokens = row.text.certain() if row.finish is None else _with_text(row.text.tokens())
    if len(tokens) <= shown:
        return shown
    if isinstance(on_tokens(tokens), Stop):
        row.stop()
    return len(tokens)


def _with_text(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    end = len(tokens)
    while end and not tokens[end - 1].token:
        end -= 1
    return tokens[:end]
