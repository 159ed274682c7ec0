"""llama.cpp inside this process: loading, one generation at a time, rendering of messages, closing.

Everything here blocks and is meant to be called from a worker thread.
"""

from __future__ import annotations

import http.client
import json
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..router.errors import MissingExtra, UpstreamMalformed, UpstreamUnavailable
from ..router.protocols import Message
from .openmp import short_spins

__all__ = ["Chunk", "LlamaCppEngine", "Take", "load_library"]

Chunk = Mapping[str, Any]
"""One piece of a streamed completion, in OpenAI's shape, or `{"error": {...}}`."""

Take = Callable[[Chunk], None]
"""Takes a chunk. Must not raise: the library would swallow it."""

# A generation can be ended between batches only: 128 tokens take about 0.4 s on two cores, with
# no loss of speed against 2,048 (5.2 s) for the small models that this engine is for.
_BATCH = 128
_HTTP_TIMEOUT_S = 10.0


def load_library() -> Any:
    """The xllamacpp module, told at its first import not to spin for long.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        with short_spins():
            import xllamacpp
    except ImportError as error:
        raise MissingExtra("xllamacpp", "local") from error
    return xllamacpp


class LlamaCppEngine:
    """One loaded model with one slot; callers from any thread wait for each other.

    The model is loaded at the first use (0.4 to 1.6 s for the known weights; the library holds
    Python's global lock meanwhile).

    A sampled answer reuses the evaluated prompt. Its draw would depend, in the last bits, on what
    the slot held before; therefore the whole prompt is evaluated once on its own, unless it was
    just evaluated so, and every sample starts from that state.
    """

    def __init__(self, path: Path, *, context: int, threads: int) -> None:
        self._library = load_library()
        self._path = path
        self._context = context
        self._threads = threads
        self._turn = threading.Lock()
        self._loading = threading.Lock()
        self._server: Any = None
        self._key = ""
        self._evaluated: str | None = None
        self._closed = threading.Event()

    def complete(self, request: Mapping[str, Any], take: Take, stop: threading.Event) -> None:
        """Stream one completion into `take`, until it ends or `stop` is set.

        Raises:
            UpstreamUnavailable: the model cannot be loaded, or the engine is closed.
        """
        with self._turn:
            server = None if stop.is_set() else self._open()
            if server is None:
                return
            if not request["cache_prompt"]:
                self._evaluated = None
            elif not self._prepare(server, request["prompt"], stop):
                return
            self._stream(server, request, take, stop)
        if self._closed.is_set():
            raise self._is_closed()

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt text that the model's own chat template makes of the messages.

        Raises:
            UpstreamUnavailable: as `complete`.
            UpstreamMalformed: the template cannot take these messages.
        """
        body = {"messages": [{"role": each.role, "content": each.content} for each in messages]}
        reply = self._post("/apply-template", body)
        prompt = reply.get("prompt")
        if not isinstance(prompt, str):
            raise UpstreamMalformed(f"the chat template of {self._path.name} failed: {reply}")
        return prompt

    def tokenize(self, text: str) -> list[int]:
        """The token ids that a prompt becomes, control tokens recognized."""
        body = {"content": text, "add_special": True, "parse_special": True}
        return list(self._post("/tokenize", body)["tokens"])

    def close(self) -> None:
        """Free the model; a running generation ends first, at its next token or batch."""
        self._closed.set()
        with self._turn, self._loading:
            self._server = None

    def _open(self) -> Any:
        with self._loading:
            if self._closed.is_set():
                raise self._is_closed()
            if self._server is None:
                self._server = self._load()
            return self._server

    def _is_closed(self) -> UpstreamUnavailable:
        return UpstreamUnavailable(f"the model {self._path.name} is closed; open it again")

    def _load(self) -> Any:
        # The engine also listens on a loopback port: with this key no one else can use it.
        self._key = secrets.token_hex(16)
        try:
            server = self._library.Server(self._parameters())
        except RuntimeError as error:
            raise UpstreamUnavailable(
                f"llama.cpp could not load {self._path}: {error} "
                "Is the file a complete GGUF model, and is there enough memory?"
            ) from error
        # A server that is freed before its loop has begun never ends: wait for a first answer.
        server.handle_completions({"prompt": "\n", "max_tokens": 1})
        return server

    def _parameters(self) -> Any:
        parameters = self._library.CommonParams()
        parameters.model.path = str(self._path)
        parameters.n_ctx = self._context
        parameters.n_batch = parameters.n_ubatch = _BATCH
        parameters.n_parallel = 1
        parameters.cpuparams.n_threads = self._threads
        parameters.cpuparams_batch.n_threads = self._threads
        parameters.warmup = False
        parameters.verbosity = -1
        # By default up to 8 GB of old prompts would be kept in memory.
        parameters.cache_ram_mib = 0
        parameters.n_threads_http = 1
        parameters.ui = False
        parameters.api_keys = [self._key]
        return parameters

    def _prepare(self, server: Any, prompt: str, stop: threading.Event) -> bool:
        """Evaluate the prompt on its own where necessary; whether the sampling may begin."""
        if self._evaluated != prompt:
            self._evaluated = None
            whole = {"prompt": prompt, "max_tokens": 1, "cache_prompt": False}
            # An error is not looked at here: the completion itself will meet it again.
            self._stream(server, {**whole, "return_progress": True}, lambda chunk: None, stop)
        return not stop.is_set()

    def _stream(
        self, server: Any, request: Mapping[str, Any], take: Take, stop: threading.Event
    ) -> None:
        def watch(chunk: Chunk) -> bool:
            if "error" in chunk:
                self._evaluated = None
            elif "prompt_progress" not in chunk:
                self._evaluated = request["prompt"]
            take(chunk)
            # A thread that goes on while the interpreter ends would keep it from ending.
            ending = not threading.main_thread().is_alive()
            return ending or self._closed.is_set() or stop.is_set()

        server.handle_completions({**request, "stream": True}, watch)

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        address = urlsplit(self._open().listening_address)
        link = http.client.HTTPConnection(
            address.hostname or "127.0.0.1", address.port, timeout=_HTTP_TIMEOUT_S
        )
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            link.request("POST", path, json.dumps(body).encode(), headers)
            return json.loads(link.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UpstreamUnavailable(
                f"the engine of {self._path.name} did not answer {path}: {error}"
            ) from error
        finally:
            link.close()
