"""From a configured name to a model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from surefoot.adapters.model_llamacpp import LlamaCppModel
from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.models import MODEL_SCHEMES, ModelSpec, license_notice, open_model
from surefoot.router.errors import ConfigurationError, WeightsError

from ..local_models import cache_dir, smollm2_weights


async def test_local_opens_the_known_weights() -> None:
    smollm2_weights()
    model = open_model(ModelSpec("local:smollm2-135m", context=512, cache_dir=cache_dir()))
    assert isinstance(model, LlamaCppModel)
    await model.aclose()


async def test_local_opens_a_path() -> None:
    weights = smollm2_weights()
    model = open_model(ModelSpec(f"local:{weights.path}"))
    assert isinstance(model, LlamaCppModel)
    await model.aclose()


async def test_openai_opens_an_endpoint() -> None:
    model = open_model(
        ModelSpec("openai:org/model:7b", base_url="http://localhost:1/v1", api_key="k")
    )
    assert isinstance(model, OpenAIModel)
    assert repr(model) == "OpenAIModel('org/model:7b' at 'localhost')"
    await model.aclose()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("locl:smollm2-135m", "did you mean 'local:...'"),
        ("opnai:gpt", "did you mean 'openai:...'"),
        ("smollm2-135m", "does not begin with a known scheme; supported are local:NAME"),
        ("local", "does not begin with a known scheme"),
        ("local:", "has no name after the colon; write local:NAME"),
        ("local:smollm", "did you mean 'smollm2-135m'"),
        ("openai:gpt", 'needs the URL of its endpoint, e.g. base_url = "https'),
        ("langchain:a.b", "'a.b' is no import path: expected package.module:name"),
        ("langchain:nowhere_at_all:x", "'nowhere_at_all:x' cannot be imported"),
        ("transformers:./nowhere", "has no file config.json"),
        ("", "supported are local:NAME, openai:NAME"),
    ],
)
def test_what_cannot_be_opened_says_what_could(model: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)) as caught:
        open_model(ModelSpec(model))
    is_missing = isinstance(caught.value, WeightsError)
    assert is_missing or caught.value.field in ("model", "base_url")


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(ModelSpec("openai:m", api_key="secret"))


def test_only_weights_with_terms_have_a_notice(tmp_path: Path) -> None:
    smollm2_weights()
    assert license_notice(ModelSpec("openai:m")) is None
    assert license_notice(ModelSpec("local:smollm2-135m", cache_dir=tmp_path)) is None
    spec = ModelSpec("local:gemma3-270m", cache_dir=cache_dir())
    try:
        first = license_notice(spec)
    except WeightsError as error:
        pytest.skip(str(error))
    assert first is not None
    assert "Gemma Terms of Use" in first
    assert license_notice(spec) is None


def test_the_table_holds_what_the_messages_name() -> None:
    names = ["caller", "langchain", "local", "openai", "transformers"]
    assert sorted(MODEL_SCHEMES) == names
