"""`surefoot serve`: the deployment behind OpenAI's HTTP interface."""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from ..graphs.places import Surroundings
from ..router.errors import MissingExtra, UsageError
from .common import Choices, find_settings, opened
from .options import config_option, docs_option, history_option

if TYPE_CHECKING:
    from ..graphs.config import Built
    from ..graphs.settings import ServeSettings
    from .http_gateway import Gateway

__all__ = ["command"]

_LIBRARIES = ("starlette", "uvicorn", "prometheus_client")


@click.command("serve", short_help="an OpenAI-compatible service with gated answers")
@config_option
@docs_option
@history_option
@click.option("--host", help="Address to listen on; else serve.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; else serve.port. 0 takes any.")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes on that port; else serve.workers."
)
@click.option("--listener", type=int, hidden=True)
@click.option("--numbers", type=click.Path(path_type=Path), hidden=True)
def command(
    config: Path | None,
    docs: Path | None,
    history: str | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    listener: int | None,
    numbers: Path | None,
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
    given = {"host": host, "port": port, "workers": workers}
    said = {name: value for name, value in given.items() if value is not None}

    def make(running: Built | None = None) -> Built:
        built = opened(choices, running=running)
        serve = with_hashed_keys(built.settings.serve.model_copy(update=said), os.environ)
        return replace(built, settings=built.settings.model_copy(update={"serve": serve}))

    built = make()
    serve = built.settings.serve
    if listener is None and serve.workers > 1:
        paths = {"--config": config, "--docs": docs, "--history": history, "--host": host}
        told = [part for name, one in paths.items() if one is not None for part in (name, str(one))]
        raise SystemExit(_supervise(serve, told))
    _run(built, make, choices, listener, numbers)


def _supervise(serve: ServeSettings, told: list[str]) -> int:
    from .http_auth import check_exposure
    from .streams import say
    from .workers import Workers, start_worker

    check_exposure(serve)
    with (
        _listening(serve.host, serve.port) as listener,
        TemporaryDirectory(prefix="surefoot-") as numbers,
    ):
        shared = ("--listener", str(listener.fileno()), "--numbers", numbers)
        arguments = ("serve", *told, *shared)
        found = Workers(lambda: start_worker(arguments, listener.fileno()), serve.workers, say)
        _say_where(serve.host, listener)
        return found.run()


def _listening(host: str, port: int) -> socket.socket:
    from .http_server import listening_socket

    try:
        return listening_socket(host, port)
    except OSError as error:
        raise UsageError(f"cannot listen on {host} port {port}: {error}") from error


def _say_where(host: str, listener: socket.socket) -> None:
    from .streams import say

    shown = f"[{host}]" if ":" in host else host
    say(f"listening on http://{shown}:{listener.getsockname()[1]}/v1")


async def _following(gateway: Gateway, choices: Choices, reload: Callable[[], None]) -> None:
    """Follow the shelf that the configuration named at the start."""
    from .profile_following import ProfileFollower
    from .shelf_reading import open_shelf

    settings = gateway.built.settings
    _, folder, _ = find_settings(choices)
    async with open_shelf(settings, Surroundings(folder)) as shelf:
        await ProfileFollower(gateway, shelf, reload, settings.serve.follow_s).run()


def _run(
    built: Built,
    make: Callable[[Built], Built],
    choices: Choices,
    inherited: int | None,
    numbers: Path | None,
) -> None:
    from .http_gateway import Gateway
    from .http_logs import set_up_logs
    from .http_server import GracefulServer
    from .http_worker_metrics import WorkerNumbers, is_alive
    from .reloading import Reloader
    from .workers import end_with_parent

    gateway = Gateway(built)
    if numbers is not None:
        gateway.worker_numbers = WorkerNumbers(numbers, os.getpid(), is_alive)
    host, port = gateway.settings.host, gateway.settings.port
    set_up_logs(gateway.settings.log)
    if inherited is not None:
        end_with_parent()
    with (
        _listening(host, port) if inherited is None else socket.socket(fileno=inherited) as listener
    ):
        if inherited is None:
            _say_where(host, listener)
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
