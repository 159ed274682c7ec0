"""`surefoot serve`: the deployment behind OpenAI's HTTP interface."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..graphs.places import Surroundings
from ..router.errors import MissingExtra, UsageError
from .common import Choices, find_settings, opened
from .options import config_option, docs_option, history_option

if TYPE_CHECKING:
    from ..graphs.config import Built
    from .http_gateway import Gateway

__all__ = ["command"]

_LIBRARIES = ("starlette", "uvicorn", "prometheus_client")


@click.command("serve", short_help="an OpenAI-compatible service with gated answers")
@config_option
@docs_option
@history_option
@click.option("--host", help="Address to listen on; else serve.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; else serve.port. 0 takes any.")
def command(
    config: Path | None,
    docs: Path | None,
    history: str | None,
    host: str | None,
    port: int | None,
) -> None:
    """Serve POST /v1/chat/completions and /v1/completions, GET /v1/models, /healthz, /readyz and
    /metrics until SIGTERM or Ctrl-C, which finish what is under way first. SIGHUP reads
    configuration, environment and profile anew.

    Without keys in the configuration ([[serve.keys]]) it listens on loopback alone. What it listens
    on is said on stderr.
    """
    for name in _LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MissingExtra(name, "serve") from error
    from .http_auth import with_hashed_keys

    choices = Choices(config, docs, history)
    given = {"host": host, "port": port}
    said = {name: value for name, value in given.items() if value is not None}

    def make(running: Built | None = None) -> Built:
        built = opened(choices, running=running)
        serve = with_hashed_keys(built.settings.serve.model_copy(update=said), os.environ)
        return replace(built, settings=built.settings.model_copy(update={"serve": serve}))

    _run(make(), make, choices)


async def _following(gateway: Gateway, choices: Choices, reload: Callable[[], None]) -> None:
    """Follow the shelf that the configuration named at the start."""
    from .profile_following import ProfileFollower
    from .shelf_reading import open_shelf

    settings = gateway.built.settings
    _, folder, _ = find_settings(choices)
    async with open_shelf(settings, Surroundings(folder)) as shelf:
        await ProfileFollower(gateway, shelf, reload, settings.serve.follow_s).run()


def _run(built: Built, make: Callable[[Built], Built], choices: Choices) -> None:
    from .http_gateway import Gateway
    from .http_logs import set_up_logs
    from .http_server import GracefulServer, listening_socket
    from .reloading import Reloader
    from .streams import say

    gateway = Gateway(built)
    host, port = gateway.settings.host, gateway.settings.port
    set_up_logs(gateway.settings.log)
    try:
        listener = listening_socket(host, port)
    except OSError as error:
        raise UsageError(f"cannot listen on {host} port {port}: {error}") from error
    with listener:
        shown = f"[{host}]" if ":" in host else host
        say(f"listening on http://{shown}:{listener.getsockname()[1]}/v1")
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            reloader = Reloader(gateway, make)
            if built.settings.policy.shelf is not None:
                gateway.run_beside(lambda: _following(gateway, choices, reloader.ask))
            server = GracefulServer(gateway, reload=reloader.ask)
            runner.run(server.serve(sockets=[listener]))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed, which it is not on every platform."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop
