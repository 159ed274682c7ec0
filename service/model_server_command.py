"""`surefoot model-server`: one local model behind OpenAI's HTTP interface, served by llama.cpp."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import click

from ..router.errors import ConfigurationError, UsageError
from .streams import say

if TYPE_CHECKING:
    from ..adapters.weights import WeightsFile

__all__ = ["command"]

_KEY = "SUREFOOT_MODEL_KEY"


@click.command("model-server", short_help="a local model behind OpenAI's HTTP interface")
@click.argument("model")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="0 takes any."
)
@click.option(
    "--context",
    type=click.IntRange(min=64),
    default=2048,
    show_default=True,
    help="Tokens of prompt and answer together, in each slot.",
)
@click.option(
    "--slots", type=click.IntRange(1, 64), default=2, show_default=True, help="Answers at once."
)
@click.option("--threads", type=click.IntRange(min=1), help="Else one for every core.")
def command(
    model: str, host: str, port: int, context: int, slots: int, threads: int | None
) -> None:
    """Serve MODEL, smollm2-135m, gemma3-270m or a GGUF file, until SIGTERM or Ctrl-C.

    It is what a tier of `openai:MODEL` reaches with base_url = "http://HOST:PORT/v1": chats and
    completions with logprobs, by llama.cpp's own server; GET /health says when it is ready. It asks
    for the bearer key in SUREFOOT_MODEL_KEY, and for none where that is not set. Not a server for
    the open internet: keep it on loopback, or on a network of its own.
    """
    from ..adapters.llamacpp_engine import load_library
    from ..adapters.weights import find_weights, take_license_notice
    from ..graphs.places import default_places

    library = load_library()
    cache = default_places().cache / "weights"
    found = find_weights(model, cache)
    notice = take_license_notice(found, cache)
    if notice is not None:
        say(notice)
    slot = min(context, found.context or context)
    try:
        server = library.Server(_parameters(library, found, host, port, slot, slots, threads))
    except RuntimeError as error:
        raise UsageError(
            f"llama.cpp cannot serve {found.path} on {host} port {port}: {error} Is the port free, "
            "and the file a complete GGUF model?"
        ) from error
    # A server that is freed before its loop has begun never ends: wait for a first answer.
    server.handle_completions({"prompt": "\n", "max_tokens": 1})
    say(f"{model} at {server.listening_address}/v1")
    _wait_for_signal()


def _parameters(
    library: Any,
    found: WeightsFile,
    host: str,
    port: int,
    context: int,
    slots: int,
    threads: int | None,
) -> Any:
    parameters = library.CommonParams()
    parameters.model.path = str(found.path)
    parameters.model_alias = {found.name}
    parameters.hostnames = [host]
    parameters.port = port
    parameters.n_ctx = context * slots
    parameters.n_parallel = slots
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = (
        threads or os.cpu_count() or 1
    )
    parameters.warmup = False
    parameters.verbosity = -1
    parameters.cache_ram_mib = 0
    parameters.ui = False
    key = os.environ.get(_KEY)
    if key is not None and not key.strip():
        raise ConfigurationError(f"{_KEY} is empty; give it a key, or unset it", field=_KEY)
    if key is not None:
        parameters.api_keys = [key]
    return parameters


def _wait_for_signal() -> None:
    ended = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: ended.set())
    ended.wait()
