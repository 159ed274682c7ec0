"""What `langgraph.json` names is there, and is the graph."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from surefoot.graphs.graph_state import NODES, result_of
from surefoot.router.errors import ConfigurationError

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration

ROOT = Path(__file__).parents[2]


def named() -> Any:
    document = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))
    module, _, name = document["graphs"]["surefoot"].partition(":")
    return getattr(importlib.import_module(module), name)


async def test_it_is_the_graph_of_the_named_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_upstream() as upstream:
        file = tmp_path / "mine.toml"
        file.write_text(configuration(("small", "ok", upstream.base_url)))
        monkeypatch.setenv("SUREFOOT_CONFIG", str(file))
        graph = named()()
        assert set(NODES) <= set(graph.get_graph().nodes)
        result = result_of(await graph.ainvoke({"question": "Which city?"}))
        assert result.answer == "Paris."


def test_a_configuration_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUREFOOT_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        named()()
