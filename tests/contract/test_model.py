"""The models that Surefoot ships, under the suite for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.router.protocols import Model
from surefoot.router.testing import FunctionModel, ScriptedModel, says

from ..local_models import smollm2, smollm2_server
from .model_suite import LanguageModelContract, ModelContract


class TestScriptedModel(ModelContract):
    @pytest.fixture
    def model(self) -> Model:
        return ScriptedModel(says("Paris it is", 0.8))


class TestFunctionModel(ModelContract):
    @pytest.fixture
    def model(self) -> Model:
        return FunctionModel(lambda call: f"answer {call.seed}")


class TestLlamaCppModel(LanguageModelContract):
    @pytest.fixture
    def model(self) -> Model:
        return smollm2()


class TestOpenAIModel(LanguageModelContract):
    @pytest.fixture
    async def model(self) -> AsyncIterator[Model]:
        server = smollm2_server()
        model = OpenAIModel(server.base_url, "smollm2", server.api_key)
        yield model
        await model.aclose()
