"""The loop as a LangGraph, from a configuration."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..router.drive import Clock
from ..router.protocols import AttemptStore
from .config import Built, build
from .graph_state import RouterContext
from .machine import compile_graph
from .places import Surroundings
from .settings import Settings, load_settings

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.types import Checkpointer

__all__ = ["build_graph"]


def build_graph(
    config: Built | Settings | Path | str,
    *,
    attempts: AttemptStore | None = None,
    checkpointer: Checkpointer = None,
    clock: Clock = time.monotonic,
    name: str = "surefoot",
) -> CompiledStateGraph[Any, RouterContext, Any, Any]:
    """The deployment of a configuration as a compiled graph, alone or a node of another graph.

    Its input is `{"question": text}`, its output `{"result": ...}`, see `result_of`; `context` is a
    `RouterContext` with the terms of the call: tenant, budget, deadline, risk.

    Args:
        config: the name of a TOML file, settings, or what `build` gave. Models, retriever and
            history are closed by whoever built them (`built.router.aclose()`); of a file or
            settings they live as long as the process.
        attempts: where the evidence of runs is kept for a resume in another process; the
            configured history where None.
        checkpointer: the application's own, or True to use that of the graph around this one.
        clock: monotonic seconds.

    Raises:
        ConfigurationError: as `build`; names file and field.
        BadInput: the profile's file cannot be read.
    """
    built = _built(config)
    router = built.router
    return compile_graph(
        router.plan,
        router.performer,
        attempts=attempts or built.history,
        checkpointer=checkpointer,
        clock=clock,
        name=name,
    )


def _built(config: Built | Settings | Path | str) -> Built:
    if isinstance(config, Built):
        return config
    if isinstance(config, Settings):
        return build(config)
    path = Path(config)
    return build(load_settings(path, os.environ), Surroundings(path.resolve().parent))
