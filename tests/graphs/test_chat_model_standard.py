"""LangChain's own suites for chat models, over an endpoint that calls tools and a local model."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from surefoot import RouterChatModel
from surefoot.graphs.config import build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings
from surefoot.router.drive import Router

from ..faults.deployment import configuration
from ..local_models import smollm2_weights
from .obedient_upstream import OBEDIENT, upstream_in_thread


@cache
def folder() -> Path:
    found = tempfile.TemporaryDirectory(prefix="surefoot-standard-")
    atexit.register(found.cleanup)
    return Path(found.name)


def router_of(text: str) -> Router:
    places = Places(folder() / "cache", folder() / "data")
    return build(parse_settings(text), Surroundings(folder(), places, {})).router


@cache
def obedient() -> Router:
    context = upstream_in_thread()
    upstream = context.__enter__()
    atexit.register(context.__exit__, None, None, None)
    text = configuration(("small", OBEDIENT, upstream.base_url), contexts={"small": 100_000})
    return router_of(text.replace("[policy]", '[policy]\ntool_calls = "pass"'))


@cache
def local() -> Router:
    smollm2_weights()  # or skip
    return router_of(
        """
[[tiers]]
name = "small"
model = "local:smollm2-135m"
price = { input = 0.0, output = 0.0 }
context = 512
prompt = "chat"
[retrieval]
enabled = false
[history]
url = "none"
[policy]
thresholds = { small = 0.0 }
"""
    )


class Standard:
    """What both suites are told."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return RouterChatModel

    @property
    def supports_model_override(self) -> bool:
        return False  # the router chooses the model

    @property
    def supports_json_mode(self) -> bool:
        return False  # as well as the tiers do, and the scripted one does not


class TestUnit(Standard, ChatModelUnitTests):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"router": obedient()}


class TestOverAnEndpoint(Standard, ChatModelIntegrationTests):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"router": obedient()}


@pytest.mark.slow
class TestOverALocalModel(Standard, ChatModelIntegrationTests):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"router": local()}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False
