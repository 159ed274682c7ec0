"""Real local models for tests, each loaded once in a test run."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.llamacpp_engine import load_library
from surefoot.adapters.model_llamacpp import LlamaCppModel
from surefoot.adapters.weights import WeightsFile, find_weights
from surefoot.router.errors import MissingExtra, WeightsError
from surefoot.router.protocols import Prompt

CONTEXT = 512
"""Shorter than the model could: a prompt that is too long is then soon evaluated."""

THREADS = 1
"""One thread never waits for another: on a busy machine that is the fastest."""

FEW_SHOT = "Question: What is the capital of Italy?\nAnswer: Rome\n\nQuestion: {}\nAnswer:"


def few_shot(question: str) -> Prompt:
    """A prompt that a model of this size answers in a word or two."""
    return Prompt(FEW_SHOT.format(question), stop=("\n",))


@cache
def cache_dir() -> Path:
    """One cache of weights for the test run."""
    path = Path(tempfile.mkdtemp(prefix="surefoot-test-weights-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@cache
def smollm2_weights() -> WeightsFile:
    """The default small tier's file; skips the test where it or the engine is not installed."""
    try:
        load_library()
        return find_weights("smollm2-135m", cache_dir())
    except (MissingExtra, WeightsError) as error:
        pytest.skip(str(error))


@cache
def smollm2() -> LlamaCppModel:
    """The default small tier, shared: do not close it."""
    return LlamaCppModel(smollm2_weights(), context=CONTEXT, threads=THREADS)


@dataclass(frozen=True)
class LocalServer:
    """A real OpenAI-compatible server: llama.cpp's own, on a loopback port."""

    native: Any
    api_key: str

    @property
    def base_url(self) -> str:
        return f"{self.native.listening_address}/v1"


@cache
def smollm2_server() -> LocalServer:
    """The small model behind HTTP, shared; it asks for its key."""
    weights = smollm2_weights()
    library = load_library()
    parameters = library.CommonParams()
    parameters.model.path = str(weights.path)
    parameters.n_ctx = CONTEXT
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = THREADS
    parameters.cpuparams_batch.n_threads = THREADS
    parameters.warmup = False
    parameters.verbosity = -1
    parameters.cache_prompt = False
    parameters.api_keys = ["a-key-for-this-test-run"]
    server = library.Server(parameters)
    server.handle_completions({"prompt": "\n", "max_tokens": 1})
    return LocalServer(server, "a-key-for-this-test-run")
