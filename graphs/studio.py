"""The graph that `langgraph.json` names, for LangGraph's server and Studio."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

__all__ = ["make_graph"]

_CONFIG = "SUREFOOT_CONFIG"


def make_graph() -> CompiledStateGraph[Any, Any, Any, Any]:
    """The loop over the deployment that SUREFOOT_CONFIG names, else over the shipped demo.

    Built once: a server asks for it again and again. It brings the checkpointer. Raises as `build`.
    """
    return _built(os.environ.get(_CONFIG))


@cache
def _built(path: str | None) -> CompiledStateGraph[Any, Any, Any, Any]:
    from .config import build, demo_settings
    from .configured_graph import build_graph
    from .places import Surroundings

    if path is not None:
        return build_graph(path)
    settings, folder = demo_settings()
    return build_graph(build(settings, Surroundings(folder)))
