"""LangChain's models under the suite for all models: its fakes, a runnable, a real ChatOpenAI."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import cycle
from typing import Any, ClassVar

import pytest
from langchain_core.language_models.fake_chat_models import (
    FakeMessagesListChatModel,
    GenericFakeChatModel,
)
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from surefoot.adapters.model_langchain import LangChainModel
from surefoot.router.protocols import Model, ModelCall, Prompt

from ..local_models import smollm2_server
from .model_suite import CALL, LanguageModelContract, ModelContract


def entries(*words: str) -> list[dict[str, Any]]:
    """Logprobs as chat completions have them."""
    return [
        {
            "token": word,
            "logprob": math.log(0.75),
            "top_logprobs": [
                {"token": word, "logprob": math.log(0.75)},
                {"token": "~", "logprob": math.log(0.25)},
            ],
        }
        for word in words
    ]


def paris() -> AIMessage:
    return AIMessage(
        "Paris it is",
        response_metadata={
            "finish_reason": "stop",
            "logprobs": {"content": entries("Paris", " it", " is")},
        },
        usage_metadata={"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
    )


class TestFakeMessagesListChatModel(ModelContract):
    @pytest.fixture
    def model(self) -> Model:
        return LangChainModel(FakeMessagesListChatModel(responses=[paris()]))


class TestRunnableLambda(ModelContract):
    @pytest.fixture
    def model(self) -> Model:
        return LangChainModel(RunnableLambda(lambda messages: paris()))


class TestRunnableOnATask(ModelContract):
    @pytest.fixture
    def model(self) -> Model:
        async def answer(messages: list[Any]) -> AIMessage:
            return paris()

        return LangChainModel(RunnableLambda(answer))


class TestGenericFakeChatModel:
    """It streams, and says neither how sure it is nor why it ended."""

    async def test_text_alone_is_an_answer_where_that_is_agreed(self) -> None:
        fake = GenericFakeChatModel(messages=cycle([AIMessage("Paris it is")]))
        model = LangChainModel(fake, unmarked="stop")
        completion = await model.generate(CALL)
        assert [each.text for each in completion.generations] == ["Paris it is"]
        assert completion.generations[0].is_complete
        assert completion.generations[0].tokens == ()
        several = await model.generate(replace(CALL, n=3, temperature=0.7))
        assert len(several.generations) == 3


class TestChatOpenAI(LanguageModelContract):
    """Against llama.cpp's own server; a chat model, to which a text is a user's message."""

    capital: ClassVar[str] = "The capital of France is Paris, not Italy."

    @pytest.fixture
    async def model(self) -> AsyncIterator[Model]:
        openai = pytest.importorskip("langchain_openai")
        from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

        server = smollm2_server()
        # By default connections are kept for the process, and outlive the event loop of a test.
        clients = DefaultHttpxClient(), DefaultAsyncHttpxClient()
        chat = openai.ChatOpenAI(
            model="smollm2",
            base_url=server.base_url,
            api_key=server.api_key,
            http_client=clients[0],
            http_async_client=clients[1],
        )
        yield LangChainModel(chat)
        clients[0].close()
        await clients[1].aclose()

    async def test_a_stop_string_ends_the_answer_and_is_not_part_of_it(self, model: Model) -> None:
        prompt = Prompt(CALL.prompt.text, stop=(" Paris",))
        (answer,) = (await model.generate(ModelCall(prompt, max_tokens=24))).generations
        assert answer.finish_reason == "stop"
        assert answer.text == "The capital of France is"


def test_entries_are_json() -> None:
    json.dumps(entries("a"))
