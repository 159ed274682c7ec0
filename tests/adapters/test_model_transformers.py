"""The local model of transformers, held against the library's own forward pass and generation."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters import model_transformers_files as files_module
from surefoot.adapters.logprobs import spell
from surefoot.adapters.model_transformers import TransformersModel
from surefoot.adapters.model_transformers_files import find_causal_model
from surefoot.router.errors import (
    ConfigurationError,
    DeadlineExceeded,
    MissingExtra,
    UpstreamRefused,
    UpstreamUnavailable,
    WeightsError,
)
from surefoot.router.evidence import Token
from surefoot.router.protocols import CallOptions, HiddenWanted, Message, ModelCall, Prompt
from surefoot.router.requests import Continue, PrefixVerdict, Stop

from ..tiny_causal import NO_SYSTEM, POSITIONS, tiny_causal

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

STORY = ModelCall(Prompt("once upon a time there"), max_tokens=12, top_logprobs=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal(tmp_path_factory.mktemp("causal") / "tiny")


@pytest.fixture(scope="module")
def reference(folder: Path) -> tuple[Any, Any]:
    """Model and tokenizer as the library itself loads them."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).float().eval()
    return model, transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def model(folder: Path) -> TransformersModel:
    return TransformersModel(find_causal_model(str(folder)))


async def test_greedy_tokens_and_logprobs_are_the_librarys_own(
    model: TransformersModel, reference: tuple[Any, Any]
) -> None:
    network, tokenizer = reference
    prompt = tokenizer(STORY.prompt.text, return_tensors="pt")
    made = network.generate(
        **prompt, do_sample=False, max_new_tokens=12, pad_token_id=tokenizer.eos_token_id
    )
    length = prompt["input_ids"].shape[1]
    written = made[0, length:]
    (answer,) = (await model.generate(STORY)).generations
    assert len(answer.tokens) == len(written)
    assert answer.text == tokenizer.decode(written, skip_special_tokens=True).strip().rstrip(
        "\ufffd"
    )
    with torch.inference_mode():
        logits = network(made).logits[0, length - 1 : -1].float()
    expected = torch.log_softmax(logits, dim=-1)
    for place, token in enumerate(answer.tokens):
        assert token.logprob == pytest.approx(float(expected[place, written[place]]), abs=1e-4)
        tops = expected[place].topk(4).values.tolist()
        assert [one.logprob for one in token.top_logprobs] == pytest.approx(tops, abs=1e-4)


async def test_hidden_states_are_those_of_one_pass_over_the_whole(
    model: TransformersModel, reference: tuple[Any, Any]
) -> None:
    network, tokenizer = reference
    wanted = (HiddenWanted(-1, "last"), HiddenWanted(1, "mean"), HiddenWanted(0, "last"))
    for most in (1, 2, 7, 12):
        call = replace(STORY, max_tokens=most, hidden=wanted)
        (answer,) = (await model.generate(call)).generations
        prompt = tokenizer(STORY.prompt.text, return_tensors="pt")
        length = prompt["input_ids"].shape[1]
        whole = network.generate(
            **prompt, do_sample=False, max_new_tokens=most, pad_token_id=tokenizer.eos_token_id
        )
        with torch.inference_mode():
            layers = network(whole, output_hidden_states=True).hidden_states
        places = [length + i for i, token in enumerate(answer.tokens) if token.token]
        if not places:  # half a character
            assert answer.hidden == ()
            continue
        expected = (
            layers[-1][0, places[-1]],
            layers[1][0, places].mean(dim=0),
            layers[0][0, places[-1]],
        )
        assert [(one.layer, one.pooling) for one in answer.hidden] == [
            (one.layer, one.pooling) for one in wanted
        ]
        for found, values in zip(answer.hidden, expected, strict=True):
            assert list(found.values) == pytest.approx(values.tolist(), rel=1e-3, abs=1e-4)


async def test_hidden_states_come_with_samples_that_end_at_different_times(
    model: TransformersModel,
) -> None:
    call = replace(
        STORY,
        prompt=Prompt(STORY.prompt.text, stop=("a", "e", "s")),
        n=6,
        temperature=1.5,
        max_tokens=9,
        hidden=(HiddenWanted(2, "last"),),
    )
    together = (await model.generate(call)).generations
    assert len({len(each.tokens) for each in together}) > 1
    for place, answer in enumerate(together):
        alone = (await model.generate(replace(call, n=1, seed=place))).generations[0]
        assert alone.text == answer.text
        assert len(alone.hidden) == len(answer.hidden) == bool(answer.text)
        for one, other in zip(alone.hidden, answer.hidden, strict=True):
            assert list(one.values) == pytest.approx(list(other.values), rel=1e-3, abs=1e-4)


async def test_an_answer_of_a_batch_is_the_answer_of_its_seed_alone(
    model: TransformersModel,
) -> None:
    call = replace(STORY, n=5, temperature=1.0, seed=40)
    together = [each.text for each in (await model.generate(call)).generations]
    alone = [
        (await model.generate(replace(call, n=1, seed=40 + i))).generations[0].text
        for i in range(5)
    ]
    assert together == alone
    assert len(set(together)) > 1


async def test_samples_follow_the_models_distribution(
    model: TransformersModel, reference: tuple[Any, Any]
) -> None:
    network, tokenizer = reference
    temperature, n = 0.6, 600
    ids = tokenizer(STORY.prompt.text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        p = torch.softmax(network(ids).logits[0, -1].double() / temperature, dim=-1)
    call = replace(STORY, n=n, temperature=temperature, max_tokens=1, top_logprobs=1)
    drawn = Counter(
        round(answer.tokens[0].logprob or 0.0, 3)
        for answer in (await model.generate(call)).generations
    )
    logprobs = torch.log_softmax(network(ids).logits[0, -1].detach().float(), dim=-1)
    best = int(p.argmax())
    share = drawn[round(float(logprobs[best]), 3)] / n
    spread = 4.0 * (float(p[best]) * (1.0 - float(p[best])) / n) ** 0.5
    assert share == pytest.approx(float(p[best]), abs=spread)


async def test_a_long_prompt_is_read_in_pieces_to_the_same_end(
    folder: Path, reference: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from surefoot.adapters import model_transformers_decoding as decoding

    prompt = Prompt("the cat sat on the mat and the dog sat on the log " * 3)
    call = ModelCall(prompt, max_tokens=8, top_logprobs=2)
    whole = await TransformersModel(find_causal_model(str(folder))).generate(call)
    monkeypatch.setattr(decoding, "_PREFILL", 7)
    pieces = await TransformersModel(find_causal_model(str(folder))).generate(call)
    assert pieces.generations[0].text == whole.generations[0].text
    for one, other in zip(pieces.generations[0].tokens, whole.generations[0].tokens, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
    assert pieces.tokens_in == len(reference[1].encode(prompt.text))


async def test_a_model_that_keeps_no_past_writes_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from surefoot.adapters.model_transformers_engine import Step, TransformersEngine

    usual = await TransformersModel(find_causal_model(str(folder))).generate(
        replace(STORY, n=2, temperature=1.0)
    )
    forward = TransformersEngine.forward

    def forgetful(self: TransformersEngine, ids: Any, cache: Any, *, hidden: bool) -> Step:
        assert cache is None
        return replace(forward(self, ids, None, hidden=hidden), cache=None)

    monkeypatch.setattr(TransformersEngine, "forward", forgetful)
    found = await TransformersModel(find_causal_model(str(folder))).generate(
        replace(STORY, n=2, temperature=1.0)
    )
    assert [each.text for each in found.generations] == [each.text for each in usual.generations]


async def test_messages_are_shown_through_the_template(
    model: TransformersModel, reference: tuple[Any, Any]
) -> None:
    messages = (Message("system", "Be brief."), Message("user", "what is it?"))
    text = "<|start|>system\nBe brief.<|end|>\n<|start|>user\nwhat is it?<|end|>\n"
    text += "<|start|>assistant\n"
    completion = await model.generate(ModelCall(Prompt(messages=messages), max_tokens=4))
    assert completion.tokens_in == len(reference[1].encode(text))
    plain = await model.generate(ModelCall(Prompt(text), max_tokens=4))
    assert completion.generations == plain.generations


async def test_a_template_that_knows_no_system_gets_it_with_the_question(tmp_path: Path) -> None:
    model = TransformersModel(find_causal_model(str(tiny_causal(tmp_path, template=NO_SYSTEM))))
    both = (Message("system", "Be brief."), Message("user", "what is it?"))
    joined = (Message("user", "Be brief.\n\nwhat is it?"),)
    one = await model.generate(ModelCall(Prompt(messages=both), max_tokens=4))
    other = await model.generate(ModelCall(Prompt(messages=joined), max_tokens=4))
    assert one == other
    with pytest.raises(UpstreamRefused, match="no system messages"):
        await model.generate(ModelCall(Prompt(messages=both[:1]), max_tokens=4))


async def test_messages_need_a_template(tmp_path: Path) -> None:
    model = TransformersModel(find_causal_model(str(tiny_causal(tmp_path, template=None))))
    with pytest.raises(UpstreamRefused, match="no chat template"):
        await model.generate(ModelCall(Prompt(messages=(Message("user", "hi"),))))


async def test_every_token_is_shown_as_it_comes_and_a_stop_ends_it(
    model: TransformersModel,
) -> None:
    threads: set[str] = set()
    seen: list[int] = []

    def watch(tokens: Sequence[Token]) -> PrefixVerdict:
        threads.add(threading.current_thread().name)
        seen.append(len(tokens))
        return Stop("enough") if len(tokens) >= 5 else Continue()

    (answer,) = (await model.generate(STORY, watch)).generations
    assert answer.finish_reason == "stopped"
    assert seen == sorted(set(seen)) and seen[-1] == len(answer.tokens) < 12
    assert spell(answer.tokens, answer.text)
    assert threads == {threading.current_thread().name}


async def test_a_cancelled_call_computes_no_further(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from surefoot.adapters.model_transformers_engine import TransformersEngine

    passes, forward = [0], TransformersEngine.forward

    def counted(self: TransformersEngine, *args: Any, **how: Any) -> Any:
        passes[0] += 1
        return forward(self, *args, **how)

    monkeypatch.setattr(TransformersEngine, "forward", counted)
    await model.generate(replace(STORY, max_tokens=1))
    begun = asyncio.Event()

    def watch(tokens: Sequence[Token]) -> PrefixVerdict:
        begun.set()
        return Continue()

    call = replace(STORY, max_tokens=100, prompt=Prompt(STORY.prompt.text))
    task = asyncio.create_task(model.generate(call, watch))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.05)
    stopped_at = passes[0]
    await asyncio.sleep(0.05)
    assert passes[0] == stopped_at < 100
    assert len((await model.generate(STORY)).generations) == 1


async def test_calls_take_turns_and_do_not_disturb_each_other(model: TransformersModel) -> None:
    calls = [replace(STORY, seed=i, temperature=1.0, n=2) for i in range(4)]
    alone = [await model.generate(call) for call in calls]
    together = await asyncio.gather(*(model.generate(call) for call in calls))
    assert [[g.text for g in one.generations] for one in together] == [
        [g.text for g in one.generations] for one in alone
    ]


async def test_the_deadline_counts_the_loading(model: TransformersModel) -> None:
    with pytest.raises(DeadlineExceeded, match=r"0\.001"):
        await model.generate(replace(STORY, timeout_s=0.001))


async def test_what_cannot_be_asked_for_is_refused(model: TransformersModel) -> None:
    long = Prompt("the cat sat on the mat " * 60)
    refused: list[tuple[ModelCall, str]] = [
        (replace(STORY, prompt=Prompt()), "empty"),
        (replace(STORY, prompt=long), f"context of tiny takes {POSITIONS}"),
        (replace(STORY, hidden=(HiddenWanted(3),)), "no layer 3"),
        (replace(STORY, hidden=(HiddenWanted(-4),)), "no layer -4"),
        (replace(STORY, options=CallOptions(tools="[]")), "tools"),
    ]
    for call, words in refused:
        with pytest.raises(UpstreamRefused, match=words):
            await model.generate(call)


async def test_an_answer_ends_where_the_context_does(model: TransformersModel) -> None:
    (answer,) = (await model.generate(replace(STORY, max_tokens=4000))).generations
    assert answer.finish_reason in ("length", "stop")
    assert len(answer.tokens) < POSITIONS


async def test_a_shorter_context_may_be_set_and_no_longer_one(folder: Path) -> None:
    short = TransformersModel(find_causal_model(str(folder), context=8))
    with pytest.raises(UpstreamRefused, match="takes 8"):
        await short.generate(replace(STORY, prompt=Prompt("the cat sat on the mat " * 9)))
    long = TransformersModel(find_causal_model(str(folder), context=10_000))
    with pytest.raises(UpstreamRefused, match=f"takes {POSITIONS}"):
        await long.generate(replace(STORY, prompt=Prompt("the cat sat on the mat " * 60)))


async def test_a_closed_model_says_so(model: TransformersModel) -> None:
    await model.generate(STORY)
    await model.aclose()
    await model.aclose()
    with pytest.raises(UpstreamUnavailable, match="closed"):
        await model.generate(STORY)


async def test_damaged_weights_are_told(tmp_path: Path) -> None:
    folder = tiny_causal(tmp_path)
    (folder / "model.safetensors").write_bytes(b"rubbish")
    with pytest.raises(UpstreamUnavailable, match="cannot be loaded"):
        await TransformersModel(find_causal_model(str(folder))).generate(STORY)


async def test_weights_that_are_not_in_the_file_are_no_random_numbers(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_causal(tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UpstreamUnavailable, match=r"lack 1 weights, model\.layers\.1\.mlp"):
        await TransformersModel(find_causal_model(str(folder))).generate(STORY)


async def test_numbers_that_are_none_are_no_answer(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_causal(tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Exception, match="numbers that are none"):
        await TransformersModel(find_causal_model(str(folder))).generate(STORY)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "gpu"}, "device = cpu, cuda"),
        ({"dtype": "int8"}, "dtype = float32"),
        ({"devise": "cpu"}, "unknown option 'devise'"),
    ],
)
def test_wrong_options_name_the_field(folder: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as raised:
        find_causal_model(str(folder), options)
    assert raised.value.field == "options"


async def test_half_precision_on_the_cpu_where_that_is_asked_for(folder: Path) -> None:
    model = TransformersModel(find_causal_model(str(folder), {"dtype": "bfloat16"}))
    single = TransformersModel(find_causal_model(str(folder), {"device": "cpu"}))
    one = (await model.generate(replace(STORY, max_tokens=1))).generations[0]
    other = (await single.generate(replace(STORY, max_tokens=1))).generations[0]
    assert one.tokens[0].logprob == pytest.approx(other.tokens[0].logprob, abs=0.3)
    assert one.tokens[0].logprob != other.tokens[0].logprob


def test_what_is_not_on_this_machine_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsError, match=r"config\.json"):
        find_causal_model(str(tmp_path))
    with pytest.raises(WeightsError, match="no file"):
        find_causal_model(str(tmp_path / "a.gguf"))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="hf download nobody/nothing"):
        find_causal_model("nobody/nothing")
    monkeypatch.setattr(files_module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"surefoot\[transformers\]"):
        find_causal_model(str(tmp_path))


def test_capabilities_are_known_without_loading(model: TransformersModel) -> None:
    can = model.capabilities
    assert (can.logprobs, can.n, can.hidden, can.streaming, can.tools) == (
        *(True, True, True, True, False),
    )
    assert json.dumps(can.in_words())
