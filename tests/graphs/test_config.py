"""From settings to a router: what is built, and what every mistake is told by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.graphs.config import (
    Built,
    Surroundings,
    build,
    build_model,
    build_policy,
    demo_folder,
    demo_settings,
    license_notices,
    signal_fingerprint,
    without_policy,
)
from surefoot.graphs.places import Places
from surefoot.graphs.remembering import history_url
from surefoot.graphs.settings import Settings, parse_settings
from surefoot.policies.threshold import ThresholdPolicy
from surefoot.router.budget import Budget, Price
from surefoot.router.errors import (
    BadInput,
    ConfigurationError,
    MissingExtra,
    WeightsError,
)
from surefoot.router.perform import RunView, Session
from surefoot.router.requests import Failure, Retrieve

from ..adapters import scripted_upstream
from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from .test_settings import EXAMPLE

TWO = """
[[tiers]]
name = "small"
model = "openai:a"
base_url = "http://127.0.0.1:1/v1"
price = { input = 1.0, output = 2.0 }
[[tiers]]
name = "large"
model = "openai:b"
base_url = "http://127.0.0.1:1/v1"
price = "unknown"
context = 4096
max_output = 100
latency_s = 1.5
[policy]
thresholds = { small = 0.7, large = 0.5 }
"""
QUIET = '[retrieval]\nenabled = false\n[history]\nurl = "none"\n'


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path, Places(tmp_path / "cache", tmp_path / "data"), {})


def settings_of(*replacements: tuple[str, str], rest: str = QUIET) -> Settings:
    """Two tiers with some words of the text replaced."""
    text = TWO
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return parse_settings(text + rest)


def closed(built: Built) -> Built:
    built.router.close()
    return built


# --- what is built ------------------------------------------------------------------------------


def test_the_example_of_the_design_builds(around: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/lamp.md").write_text("# Lamps\n\nThe Olbers lamp.")
    try:
        built = closed(build(parse_settings(EXAMPLE), around))
    except (WeightsError, MissingExtra) as error:
        pytest.skip(str(error))
    plan = built.router.plan
    assert built.names == ("small",)
    assert built.profile is None
    assert built.retriever is not None and built.retriever.size == 1
    assert [estimator.name for estimator in plan.buyable] == ["self_consistency"]
    assert len(plan.free) == 2
    assert plan.budget == Budget(max_cost=0.01, deadline_s=20.0, max_rounds=3)
    assert plan.remember
    assert not (tmp_path / "surefoot.db").exists()  # opened at the first use


def test_the_plan_says_what_the_settings_say(around: Surroundings) -> None:
    plan = closed(build(settings_of(), around)).router.plan
    small, large = plan.tiers
    assert (small.name, small.model, small.price) == ("small", "openai:a", Price(1e-6, 2e-6))
    assert (large.context, large.max_output, large.price, large.latency_s) == (4096, 100, None, 1.5)
    assert plan.retrieval is None and not plan.remember and plan.certificate is None
    assert isinstance(plan.policy, ThresholdPolicy)
    assert [rule.threshold for rule in plan.policy.rules] == [0.7, 0.5]


async def test_a_cache_stands_between_the_router_and_its_models(around: Surroundings) -> None:
    async with running_upstream() as upstream:
        change = ("http://127.0.0.1:1/v1", upstream.base_url), ('"openai:a"', '"openai:ok"')
        settings = settings_of(*change, rest=QUIET + '[cache]\nurl = "memory:"\n')
        built = build(settings, around)
        first, again = [await built.router.ask("Which city?") for _ in range(2)]
        assert (first.answer, again.answer) == ("Paris.", "Paris.")
        assert len(upstream.seen) == 1
        assert first.calls == 1 and first.cost > 0
        assert (again.calls, again.cost, again.tokens) == (0, 0.0, 0)
        assert again.confidence == first.confidence
        await built.router.aclose()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://secret:word@host", "cache.url: expected memory:, redis://"),
        ("redis://host:port/0", "cache.url"),
    ],
)
def test_a_cache_that_is_none_is_refused(around: Surroundings, url: str, words: str) -> None:
    settings = settings_of(rest=QUIET + f'[cache]\nurl = "{url}"\n')
    with pytest.raises(ConfigurationError, match=words) as caught:
        build(settings, around)
    assert caught.value.field == "cache.url"
    assert "word@" not in str(caught.value)


def test_work_that_decides_nothing_needs_no_profile(around: Surroundings) -> None:
    settings = settings_of(("thresholds = { small = 0.7, large = 0.5 }", 'profile = "no.json"'))
    with pytest.raises(BadInput, match=r"no\.json: cannot be read"):
        build(settings, around)
    closed(build(without_policy(settings), around))


def test_the_shipped_demo_is_a_configuration() -> None:
    settings, folder = demo_settings()
    assert folder == demo_folder()
    assert len(settings.tiers) == 2
    assert settings.policy.profile is not None
    assert settings.retrieval.docs is None


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (None, "sqlite:///{data}/history.db"),
        ("none", None),
        ("memory:", "memory:"),
        ("redis://host/1", "redis://host/1"),
        ("sqlite:///h.db", "sqlite:///{folder}/h.db"),
        ("sqlite:////var/h.db", "sqlite:////var/h.db"),
        ("sqlite:///~/h.db", "sqlite:////home/someone/h.db"),
        ("sqlite:///", "sqlite:///"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
    ],
)
def test_where_the_history_lies(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch, url: str | None, found: str | None
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    history = "" if url is None else f'[history]\nurl = "{url}"'
    expected = found and found.format(data=around.places.data, folder=around.folder)
    assert history_url(settings_of(rest=history), around) == expected


@pytest.mark.parametrize(
    "change",
    [
        ('"openai:a"', '"openai:a"\nprompt = "few_shot"'),
        ('"openai:a"', '"openai:a"\nmax_output = 20'),
        ("[policy]", "[signals]\nsamples = 3\n[policy]"),
        ("[policy]", "[signals]\ntemperature = 0.5\n[policy]"),
        ("[policy]", "[signals]\ntop_logprobs = 3\n[policy]"),
        ("[policy]", "[signals]\ncontent_filter = false\n[policy]"),
        ("[policy]", "[retrieval]\nk = 7\n[policy]"),
    ],
)
def test_calibration_depends_on_how_signals_come_about(change: tuple[str, str]) -> None:
    assert signal_fingerprint(settings_of(change, rest="")) != signal_fingerprint(
        settings_of(rest="")
    )


def test_calibration_does_not_depend_on_thresholds_or_prices() -> None:
    other = settings_of(("small = 0.7", "small = 0.1"), ("input = 1.0", "input = 9.0"))
    assert signal_fingerprint(other) == signal_fingerprint(settings_of())


@pytest.mark.parametrize(
    "change",
    [
        ("127.0.0.1:1/v1", "127.0.0.1:2/v1"),
        ("small = 0.7", "small = 0.1"),
        ("openai:b", "openai:c"),
        ("context = 4096", "context = 2048"),
        ("[policy]", '[signals]\nfree = ["min_token_prob"]\n[policy]'),
    ],
)
def test_a_repeat_counts_only_under_the_same_settings(
    around: Surroundings, change: tuple[str, str]
) -> None:
    prints = [
        closed(build(settings, around)).router.performer.fingerprint
        for settings in (settings_of(), settings_of(), settings_of(change))
    ]
    assert prints[0] == prints[1] != prints[2]


# --- documents ----------------------------------------------------------------------------------


def test_documents_that_cannot_be_indexed_are_noted_and_no_reason_not_to_answer(
    around: Surroundings, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/lamp.md").write_text("The Olbers lamp.")
    (tmp_path / "cache").write_text("a file where a folder should be")
    built = build(settings_of(rest='[retrieval]\ndocs = "docs"\n[history]\nurl = "none"\n'), around)
    assert built.retriever is None
    (note,) = built.notes
    assert note.startswith("documents cannot be searched: could not lock the search index")
    assert built.router.plan.retrieval is not None
    perform = built.router.performer.perform
    reply = built.router.run_sync(perform(Retrieve("lamp", 3), Session(), run=RunView("lamp")))
    assert reply.outcome == Failure("store", note.partition(": ")[2])
    built.router.close()


def test_mistakes_are_told_before_an_index_is_built(around: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/lamp.md").write_text("The Olbers lamp.")
    rest = '[retrieval]\ndocs = "docs"\n'
    for settings in (
        settings_of(("openai:b", "opnai:b"), rest=rest),
        settings_of(rest=rest + '[history]\nurl = "sqlit:///x"'),
    ):
        with pytest.raises(ConfigurationError):
            build(settings, around)
        assert not around.places.cache.exists()


@pytest.mark.parametrize("docs", ["no", "file.md", "empty"])
def test_a_folder_of_documents_must_be_one(around: Surroundings, tmp_path: Path, docs: str) -> None:
    (tmp_path / "file.md").write_text("text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError) as found:
        build(settings_of(rest=f'[retrieval]\ndocs = "{docs}"\n'), around)
    assert found.value.field == "retrieval.docs"
    assert str(tmp_path / docs) in str(found.value)


# --- models -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("opnai:x", "did you mean 'openai:...'?"),
        ("openai", "does not begin with a known scheme"),
        ("langchain:a.b", "is no import path"),
        ("local:smolm2-135m", "did you mean 'smollm2-135m'?"),
        ("local:", "has no name after the colon"),
    ],
)
def test_an_unknown_model_is_told_by_tier_and_nearest_name(
    around: Surroundings, model: str, words: str
) -> None:
    with pytest.raises(ConfigurationError) as found:
        build(settings_of(("openai:b", model)), around)
    assert str(found.value).startswith("tier 'large': ")
    assert words in str(found.value)
    assert found.value.field == "tiers.large.model"


@pytest.mark.parametrize("url", [None, "ftp://x/v1", "http://", "no url"])
def test_an_endpoint_needs_its_url(around: Surroundings, url: str | None) -> None:
    given = 'base_url = "http://127.0.0.1:1/v1"\nprice = "unknown"'
    wanted = 'price = "unknown"' if url is None else f'base_url = "{url}"\nprice = "unknown"'
    with pytest.raises(ConfigurationError) as found:
        build(settings_of((given, wanted)), around)
    assert found.value.field == "tiers.large.base_url"


def test_a_key_comes_from_the_environment_and_is_never_shown(around: Surroundings) -> None:
    (_, tier) = settings_of(('"openai:b"', '"openai:b"\napi_key_env = "MY_KEY"')).tiers
    for environment in ({}, {"MY_KEY": ""}, {"my_key": "secret"}):
        with pytest.raises(ConfigurationError, match="MY_KEY is not set") as found:
            build_model(tier, replace(around, environment=environment))
        assert found.value.field == "tiers.large.api_key_env"
    with pytest.raises(ConfigurationError) as bad:
        build_model(tier, replace(around, environment={"MY_KEY": "secret word\n"}))
    assert "secret" not in str(bad.value)
    model = build_model(tier, replace(around, environment={"MY_KEY": "secret-word"}))
    assert "secret" not in repr(model)


def test_a_model_file_is_looked_for_beside_the_configuration(
    around: Surroundings, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=str(tmp_path / "models/mine.gguf")):
        build(settings_of(("openai:b", "local:models/mine.gguf")), around)
    (tmp_path / "mine.gguf").write_bytes(b"not a model")
    with pytest.raises(WeightsError, match="not a GGUF file"):
        build(settings_of(("openai:b", "local:mine.gguf")), around)


def test_only_what_has_a_notice_gives_one(around: Surroundings) -> None:
    assert license_notices(settings_of(), around) == ()


# --- what decides -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signals", "field", "words"),
    [
        ('free = ["perplexty"]', "signals.free", "perplexity"),
        ('buy = ["self_consistancy"]', "signals.buy", "self_consistency"),
        ('free = ["self_consistency"]', "signals.free", "has to be bought"),
    ],
)
def test_an_unknown_signal(around: Surroundings, signals: str, field: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as found:
        build_policy(settings_of(("[policy]", f"[signals]\n{signals}\n[policy]")), around)
    assert found.value.field == field
    assert str(found.value).startswith(field)
    assert words in str(found.value)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("", "small = 0.7, large = 0.7"),
        ('thresholds = { small = 0.7, large = 0.5 }\nprofile = "p.json"', "not both"),
    ],
)
def test_exactly_one_of_profile_and_thresholds(
    around: Surroundings, policy: str, words: str
) -> None:
    settings = settings_of(("thresholds = { small = 0.7, large = 0.5 }", policy))
    with pytest.raises(ConfigurationError) as found:
        build_policy(settings, around)
    assert found.value.field == "policy"
    assert words in str(found.value)


async def test_limits_of_an_endpoint_reach_its_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = scripted_upstream.changed(choices=[scripted_upstream.chat_choice(notes="x" * 2000)])
    monkeypatch.setitem(scripted_upstream.BEHAVIORS, "long", long)
    async with running_upstream() as upstream:
        text = configuration(("small", "long", upstream.base_url), resilience="attempts = 1")
        small = text.replace("context = 2048", "context = 2048\nmax_body_bytes = 1024")
        places = Places(tmp_path / "cache", tmp_path / "data")
        for given, calls in ((text, 1), (small, 0)):
            built = build(parse_settings(given), Surroundings(tmp_path, places, {}))
            result = await built.router.ask("Which city?")
            await built.router.aclose()
            assert (result.answer is not None) == bool(calls), result.reason
    local = text.replace("openai:long", "local:smollm2-135m").replace(
        "context = 2048", "context = 2048\nidle_timeout_s = 1.0"
    )
    with pytest.raises(ConfigurationError, match="idle_timeout_s") as caught:
        build(parse_settings(local), Surroundings(tmp_path, places, {}))
    assert caught.value.field == "tiers.small.idle_timeout_s"
