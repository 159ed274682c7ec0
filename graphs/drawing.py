"""The graph as a picture: mermaid text with a word on each edge that is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

__all__ = ["LABELS", "mermaid"]

LABELS: Mapping[tuple[str, str], str] = {
    ("draft", "assess"): "drafted, or the tier failed",
    ("draft", "finish"): "asked before, or no tier can",
    ("assess", "assess"): "buy a signal",
    ("assess", "draft"): "escalate",
    ("assess", "retrieve"): "retrieve",
    ("assess", "finish"): "answer or abstain",
    ("retrieve", "draft"): "passages found",
    ("retrieve", "assess"): "nothing new, or it failed",
    ("retrieve", "finish"): "resumed under a smaller budget",
}
"""When each edge is taken, in words; the loop's requests are what really chooses."""

_ENDS = {"__start__": "question([question])", "__end__": "result([result])"}


def mermaid(graph: CompiledStateGraph[Any, Any, Any, Any]) -> str:
    """The compiled graph as mermaid text.

    LangGraph's own `draw_mermaid` shows the same edges, unlabelled and in the style of its release.
    """
    lines = ["flowchart TD"]
    edges = sorted(graph.get_graph().edges, key=lambda edge: (edge.source, edge.target))
    for edge in edges:
        source, target = _ENDS.get(edge.source, edge.source), _ENDS.get(edge.target, edge.target)
        label = LABELS.get((edge.source, edge.target))
        arrow = "-->" if label is None else f'-- "{label}" -->'
        lines.append(f"    {source} {arrow} {target}")
    return "\n".join(lines) + "\n"
