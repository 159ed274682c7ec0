"""What is particular to the model inside this process, on real weights."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from surefoot.adapters import llamacpp_engine
from surefoot.adapters.logprobs import spell
from surefoot.adapters.model_llamacpp import LlamaCppModel
from surefoot.adapters.weights import WeightsFile, find_weights
from surefoot.router.errors import (
    DeadlineExceeded,
    MissingExtra,
    UpstreamRefused,
    UpstreamUnavailable,
)
from surefoot.router.protocols import Message, ModelCall, Prompt

from ..local_models import CONTEXT, THREADS, few_shot, smollm2, smollm2_weights

FRANCE = ModelCall(few_shot("What is the capital of France?"), max_tokens=12, top_logprobs=3)
STORY = ModelCall(Prompt("Once upon a time, there was"), max_tokens=6, top_logprobs=2)
SAMPLES = replace(STORY, n=2, temperature=1.0, seed=3)


def own_model() -> LlamaCppModel:
    """One that a test may close."""
    return LlamaCppModel(smollm2_weights(), context=CONTEXT, threads=THREADS)


async def test_the_token_that_ended_the_answer_is_there_and_marked() -> None:
    (answer,) = (await smollm2().generate(FRANCE)).generations
    assert [(token.token, token.special) for token in answer.tokens] == [
        (" Paris", False),
        ("", True),
    ]
    assert answer.tokens[1].top_logprobs[0].token == "\n"


async def test_tokens_are_counted_with_the_one_that_ended_the_answer() -> None:
    completion = await smollm2().generate(FRANCE)
    assert completion.tokens_out == 2
    assert completion.tokens_in == len(smollm2().tokenize(FRANCE.prompt.text))
    twice = await smollm2().generate(replace(FRANCE, n=2))
    assert (twice.tokens_in, twice.tokens_out) == (2 * completion.tokens_in, 4)
    assert twice.calls == 2


async def test_a_token_inside_a_split_character_is_a_visible_gap() -> None:
    prompt = Prompt("Repeat: 😀🦄 漢字テスト 😀🦄 漢字テスト 😀🦄 漢字テスト 😀🦄")
    completion = await smollm2().generate(ModelCall(prompt, max_tokens=14, top_logprobs=2))
    (answer,) = completion.generations
    assert completion.tokens_out == len(answer.tokens) == 14
    assert spell(answer.tokens, answer.text)
    shown = [(token.token, token.logprob is None) for token in answer.tokens]
    # Each of these characters is two tokens long, of which the engine reports the second.
    begin = shown.index(("テ", False)) - 1
    gap = ("", True)
    assert shown[begin : begin + 6] == [
        *(gap, ("テ", False)),
        *(gap, ("ス", False)),
        *(gap, ("ト", False)),
    ]
    assert shown[:begin].count(gap) == 0


async def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    model = smollm2()
    greedy, drawn = await model.generate(STORY), await model.generate(SAMPLES)
    await model.generate(replace(FRANCE, temperature=0.9, seed=5))
    await model.generate(replace(STORY, prompt=Prompt(STORY.prompt.text + " a cat"), n=2))
    assert await model.generate(SAMPLES) == drawn
    assert await model.generate(STORY) == greedy
    second = await model.generate(replace(SAMPLES, n=1, seed=4))
    assert second.generations == drawn.generations[1:]


async def test_samples_come_from_the_whole_distribution() -> None:
    # At a very high temperature nearly every token is equally likely; a top-k of 40, the
    # library's default, would keep each token among the first 40 candidates.
    call = replace(STORY, temperature=1000.0, top_logprobs=40, max_tokens=8)
    (answer,) = (await smollm2().generate(call)).generations
    outside = [
        token
        for token in answer.tokens
        if token.logprob is not None
        and token.logprob < min(other.logprob for other in token.top_logprobs)
    ]
    assert len(outside) >= 4
    # Reported is the model's own distribution, not the flattened one (1 of 49,152: -10.8).
    assert answer.tokens[0].top_logprobs[0].logprob > -5.0


async def test_the_event_loop_goes_on_while_the_model_writes() -> None:
    await smollm2().generate(replace(STORY, max_tokens=1))
    writing = asyncio.create_task(smollm2().generate(replace(STORY, max_tokens=40)))
    ticks = 0
    while not writing.done():
        await asyncio.sleep(0.005)
        ticks += 1
    assert ticks >= 10


async def test_a_deadline_during_a_long_prompt_does_not_hold_up_the_next_call() -> None:
    long = replace(STORY, prompt=Prompt("The cat sat on the mat. " * 60), timeout_s=0.02)
    whole = replace(long, timeout_s=None)
    await smollm2().generate(replace(STORY, max_tokens=1))
    began = time.monotonic()
    await smollm2().generate(whole)
    unhindered = time.monotonic() - began
    with pytest.raises(DeadlineExceeded):
        await smollm2().generate(long)
    began = time.monotonic()
    await smollm2().generate(replace(STORY, max_tokens=1))
    # Three batches make up the prompt; at most one of them had to be waited for.
    assert time.monotonic() - began < unhindered


async def test_calls_at_once_wait_for_each_other() -> None:
    alone = [await smollm2().generate(replace(SAMPLES, n=1, seed=seed)) for seed in range(4)]
    at_once = await asyncio.gather(
        *(smollm2().generate(replace(SAMPLES, n=1, seed=seed)) for seed in range(4))
    )
    assert list(at_once) == alone


async def test_a_base_model_refuses_messages() -> None:
    weights = replace(smollm2_weights(), has_chat_template=False)
    model = LlamaCppModel(weights, context=CONTEXT)
    with pytest.raises(UpstreamRefused, match=r"has no chat template.*prompt as text"):
        await model.generate(ModelCall(Prompt(messages=(Message("user", "hi"),))))


async def test_closing_ends_a_generation_and_refuses_the_next() -> None:
    model = own_model()
    await model.generate(replace(STORY, max_tokens=1))
    writing = asyncio.create_task(model.generate(replace(STORY, max_tokens=400)))
    await asyncio.sleep(0.1)
    await model.aclose()
    with pytest.raises(UpstreamUnavailable, match="closed"):
        await writing
    with pytest.raises(UpstreamUnavailable, match="closed"):
        await model.generate(STORY)
    await model.aclose()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts by /proc")
async def test_opening_and_closing_leaves_no_thread_and_no_file_open() -> None:
    threads, files = [], []
    for _ in range(6):
        model = own_model()
        await model.generate(replace(STORY, max_tokens=1))
        await model.aclose()
        for thread in threading.enumerate():
            if thread.name == "surefoot-llamacpp":
                thread.join(5.0)
        threads.append(len(os.listdir("/proc/self/task")))
        files.append(len(os.listdir("/proc/self/fd")))
    # What an earlier test left may end meanwhile, or be seen once; a leak adds every time.
    for counts in (threads[1:], files[1:]):
        assert any(later <= earlier for earlier, later in pairwise(counts)), counts


async def test_a_broken_model_file_is_unavailable_and_says_where_it_lies(tmp_path: Path) -> None:
    smollm2_weights()
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + os.urandom(4096))
    model = LlamaCppModel(find_weights(str(path)))
    with pytest.raises(UpstreamUnavailable, match=r"could not load .*broken\.gguf"):
        await model.generate(STORY)


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    weights = WeightsFile("x", Path("x.gguf"), None, None, False)
    with pytest.raises(MissingExtra, match=r"pip install 'surefoot\[local\]'"):
        LlamaCppModel(weights)


def test_the_spin_setting_is_not_left_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    smollm2_weights()
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    llamacpp_engine.load_library()
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    llamacpp_engine.load_library()
    assert os.environ["GOMP_SPINCOUNT"] == "7"


SCRIPT = """
import asyncio, sys
from pathlib import Path
from surefoot.adapters.model_llamacpp import LlamaCppModel
from surefoot.adapters.weights import WeightsFile
from surefoot.router.protocols import ModelCall, Prompt

async def main(tokens):
    weights = WeightsFile("smollm2", Path(sys.argv[1]), None, 2048, True)
    model = LlamaCppModel(weights, threads=1)
    await model.generate(ModelCall(Prompt("Once upon a time"), max_tokens=2))
    Path(sys.argv[2]).touch()
    await model.generate(ModelCall(Prompt("Once upon a time"), max_tokens=tokens))

"""


@contextmanager
def running_script(ending: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own, killed at the end should it still be there."""
    command = [sys.executable, "-c", SCRIPT + ending, str(smollm2_weights().path)]
    process = subprocess.Popen(
        [*command, str(tmp_path / "loaded")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_nothing_is_written_to_the_terminal(tmp_path: Path) -> None:
    with running_script("asyncio.run(main(3))", tmp_path) as process:
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0


def test_control_c_ends_the_process_at_once(tmp_path: Path) -> None:
    with running_script("asyncio.run(main(2000))", tmp_path) as process:
        end = time.monotonic() + 60
        while not (tmp_path / "loaded").exists():
            assert time.monotonic() < end, "the script did not get so far"
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert "KeyboardInterrupt" in errors
        assert "Fatal" not in errors
        assert process.returncode in (1, 130, -signal.SIGINT)


ABANDON = """
import os

async def begin():
    task = asyncio.create_task(main(2000))
    while not Path(sys.argv[2]).exists():
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    return task

kept = asyncio.new_event_loop().run_until_complete(begin())
os.write(1, b"leaving")
"""


def test_a_generation_that_nobody_waits_for_does_not_hold_up_the_exit(tmp_path: Path) -> None:
    with running_script(ABANDON, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.read(7) == "leaving"
        process.communicate(timeout=5)  # what is left to write would take more than ten seconds
        assert process.returncode == 0
