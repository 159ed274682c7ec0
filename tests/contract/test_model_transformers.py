"""Real weights in transformers, under the suite for all models; and beside llama.cpp's."""

from __future__ import annotations

import math
from functools import cache

import pytest

from surefoot.adapters.model_transformers import TransformersModel
from surefoot.adapters.model_transformers_files import find_causal_model
from surefoot.router.errors import MissingExtra
from surefoot.router.protocols import HiddenWanted, Message, Model, ModelCall, Prompt

from ..local_models import CONTEXT, smollm2, smollm2_weights
from .model_suite import CALL, STORY, LanguageModelContract

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # some 30 s to unpack the weights


@cache
def smollm2_in_transformers() -> TransformersModel:
    """The default small tier's file, read by transformers; shared: do not close it."""
    try:
        return TransformersModel(
            find_causal_model(str(smollm2_weights().path), {"device": "cpu"}, context=CONTEXT)
        )
    except MissingExtra as error:
        pytest.skip(str(error))


class TestSmolLM2InTransformers(LanguageModelContract):
    @pytest.fixture
    def model(self) -> Model:
        return smollm2_in_transformers()


async def test_it_says_what_llama_cpp_says() -> None:
    """The same weights: here in single precision, there multiplied by activations of 8 bits."""
    ours, theirs = smollm2_in_transformers(), smollm2()
    chat = Prompt(
        messages=(
            Message("system", "Answer the question in a few words."),
            Message("user", "What is the capital of France?"),
        )
    )
    for call in (CALL, ModelCall(chat, max_tokens=24, top_logprobs=5)):
        one = (await ours.generate(call)).generations[0]
        other = (await theirs.generate(call)).generations[0]
        assert one.text == other.text
        assert [token.token for token in one.tokens] == [token.token for token in other.tokens]
        for mine, there in zip(one.tokens, other.tokens, strict=True):
            assert mine.logprob is not None and there.logprob is not None
            assert math.exp(mine.logprob) == pytest.approx(math.exp(there.logprob), abs=0.15)


async def test_prompts_become_the_same_tokens_as_in_llama_cpp() -> None:
    ours, theirs = smollm2_in_transformers(), smollm2()
    chat = Prompt(messages=(Message("system", "Be brief."), Message("user", "na\u00efve? \u2603")))
    text = await theirs.render(chat)
    for prompt in (chat, Prompt(text), CALL.prompt, STORY.prompt):
        one = await ours.generate(ModelCall(prompt, max_tokens=1))
        other = await theirs.generate(ModelCall(prompt, max_tokens=1))
        assert one.tokens_in == other.tokens_in


async def test_hidden_states_of_real_weights_have_their_width() -> None:
    call = ModelCall(CALL.prompt, max_tokens=8, hidden=(HiddenWanted(-1), HiddenWanted(15, "mean")))
    (answer,) = (await smollm2_in_transformers().generate(call)).generations
    assert [len(each.values) for each in answer.hidden] == [576, 576]
    assert answer.hidden[0].values != answer.hidden[1].values
