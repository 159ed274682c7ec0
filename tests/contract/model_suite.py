"""What every model must do, whatever it is made of.

Derive a test class from `ModelContract` (any model, test doubles included) or from
`LanguageModelContract` (one that really writes), and give it a fixture `model`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import pytest

from surefoot.adapters.logprobs import spell
from surefoot.router.errors import DeadlineExceeded, UpstreamRefused
from surefoot.router.evidence import Token
from surefoot.router.protocols import Message, Model, ModelCall, Prompt
from surefoot.router.requests import Continue, PrefixVerdict, Stop

from ..local_models import few_shot

CALL = ModelCall(few_shot("What is the capital of France?"), max_tokens=12, top_logprobs=5)
STORY = ModelCall(Prompt("Once upon a time, there was"), max_tokens=6, top_logprobs=2)


class ModelContract:
    """Promises of any model."""

    async def test_one_answer_that_says_something(self, model: Model) -> None:
        completion = await model.generate(CALL)
        assert len(completion.generations) == 1
        assert completion.generations[0].text.strip()
        assert completion.generations[0].is_complete
        assert completion.calls >= 1
        assert completion.tokens_in > 0
        assert completion.tokens_out > 0

    async def test_tokens_join_to_the_text(self, model: Model) -> None:
        (answer,) = (await model.generate(CALL)).generations
        assert answer.tokens
        assert spell(answer.tokens, answer.text)

    async def test_logprobs_are_finite_and_not_above_zero(self, model: Model) -> None:
        (answer,) = (await model.generate(CALL)).generations
        for token in answer.tokens:
            assert token.logprob is not None
            assert math.isfinite(token.logprob)
            assert token.logprob <= 0.0
            assert all(other.logprob <= 0.0 for other in token.top_logprobs)

    async def test_the_same_call_at_temperature_0_gives_the_same_answer(self, model: Model) -> None:
        assert await model.generate(CALL) == await model.generate(CALL)

    async def test_as_many_answers_as_asked_for(self, model: Model) -> None:
        completion = await model.generate(replace(CALL, n=3, temperature=0.7))
        assert len(completion.generations) == 3

    async def test_prefixes_only_grow_and_end_with_the_answer(self, model: Model) -> None:
        seen: list[Sequence[Token]] = []

        def watch(tokens: Sequence[Token]) -> PrefixVerdict:
            seen.append(tokens)
            return Continue()

        (answer,) = (await model.generate(CALL, watch)).generations
        assert seen
        for shorter, longer in pairwise(seen):
            assert len(shorter) < len(longer)
        assert spell(seen[-1], answer.text)

    async def test_a_stop_ends_the_answer_as_stopped(self, model: Model) -> None:
        (answer,) = (await model.generate(STORY, lambda tokens: Stop("enough"))).generations
        assert answer.finish_reason == "stopped"
        assert not answer.is_complete
        assert spell(answer.tokens, answer.text)


class LanguageModelContract(ModelContract):
    """Promises of a model that really writes; `capital` is how it names that of France."""

    capital: ClassVar[str] = "Paris"

    async def test_it_knows_the_capital_of_france(self, model: Model) -> None:
        assert (await model.generate(CALL)).generations[0].text == self.capital

    async def test_candidates_are_as_many_as_asked_for_and_hold_the_greedy_choice(
        self, model: Model
    ) -> None:
        (answer,) = (await model.generate(STORY)).generations
        for token in answer.tokens:
            assert len(token.top_logprobs) >= 2
            best = max(other.logprob for other in token.top_logprobs)
            assert token.logprob == pytest.approx(best, abs=1e-6)

    async def test_no_candidates_where_none_are_asked_for(self, model: Model) -> None:
        (answer,) = (await model.generate(replace(STORY, top_logprobs=0))).generations
        assert all(token.logprob is None for token in answer.tokens)
        assert not any(token.top_logprobs for token in answer.tokens)

    async def test_samples_repeat_with_their_seed_and_differ_between_seeds(
        self, model: Model
    ) -> None:
        call = replace(STORY, n=3, temperature=1.0, seed=11, max_tokens=5)
        first = [each.text for each in (await model.generate(call)).generations]
        again = [each.text for each in (await model.generate(call)).generations]
        other = await model.generate(replace(call, seed=900, n=1))
        assert first == again
        assert len({*first, other.generations[0].text}) > 1

    async def test_the_token_limit_ends_the_answer_as_length(self, model: Model) -> None:
        completion = await model.generate(replace(STORY, max_tokens=4))
        assert completion.generations[0].finish_reason == "length"
        assert len(completion.generations[0].tokens) == 4
        assert completion.tokens_out == 4

    async def test_a_stop_string_ends_the_answer_and_is_not_part_of_it(self, model: Model) -> None:
        prompt = Prompt("1, 2, 3, 4, 5, 6, 7, 8.\n1, 2, 3,", stop=("6",))
        (answer,) = (await model.generate(ModelCall(prompt, max_tokens=24))).generations
        assert answer.finish_reason == "stop"
        assert "4" in answer.text
        assert "6" not in answer.text
        assert spell(answer.tokens, answer.text)

    async def test_messages_go_through_the_chat_template(self, model: Model) -> None:
        messages = (
            Message("system", "Answer the question in a few words."),
            Message("user", "What is the capital of France?"),
        )
        call = ModelCall(Prompt(messages=messages), max_tokens=24, top_logprobs=2)
        (answer,) = (await model.generate(call)).generations
        assert answer.is_complete
        assert "Paris" in answer.text
        assert spell(answer.tokens, answer.text)

    async def test_a_deadline_is_kept_to_a_tenth_of_a_second(self, model: Model) -> None:
        await model.generate(replace(STORY, max_tokens=1))
        tasks = len(asyncio.all_tasks())
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"0\.05"):
            await model.generate(replace(STORY, max_tokens=400, timeout_s=0.05))
        assert time.monotonic() - began < 0.05 + 0.1 + 0.1  # the last tenth for a busy machine
        assert len(asyncio.all_tasks()) == tasks
        # What was broken off must not hold up or change what comes next.
        assert (await model.generate(CALL)).generations[0].text == self.capital

    async def test_a_cancelled_call_leaves_the_model_usable(self, model: Model) -> None:
        task = asyncio.create_task(model.generate(replace(STORY, max_tokens=400)))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await model.generate(CALL)).generations[0].text == self.capital

    async def test_a_prompt_beyond_the_context_is_refused_and_says_so(self, model: Model) -> None:
        with pytest.raises(UpstreamRefused, match="context"):
            await model.generate(replace(CALL, prompt=Prompt("The cat sat on the mat. " * 100)))

    async def test_an_empty_prompt_is_refused(self, model: Model) -> None:
        with pytest.raises(UpstreamRefused, match="empty"):
            await model.generate(replace(CALL, prompt=Prompt()))

    async def test_text_that_has_no_utf8_form_does_no_harm(self, model: Model) -> None:
        prompt = Prompt("a\ud800b\x00c \u202eright to left")
        completion = await model.generate(ModelCall(prompt, max_tokens=3))
        assert len(completion.generations) == 1
