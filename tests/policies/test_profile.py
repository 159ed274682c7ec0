"""Profiles: what is saved comes back, what was changed is refused, what differs is named."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.certificates import Certificate, HowTested
from surefoot.policies.entry import FixedEntry
from surefoot.policies.profile import (
    FittedCalibrator,
    FittedRung,
    FittedTier,
    Profile,
    load_profile,
    save_profile,
)
from surefoot.policies.threshold import BuyBand
from surefoot.router.calibration.calibrators import IsotonicCalibrator, TemperatureCalibrator
from surefoot.router.decisions import Action, Rung
from surefoot.router.errors import BadInput, ProfileMismatch, StoreError
from surefoot.router.protocols import Needs
from surefoot.router.risk.targets import RiskTarget
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable
from surefoot.router.testing import FixedEstimator

ISOTONIC = FittedCalibrator(
    IsotonicCalibrator("free", 1, 40, 25, (0.1, 0.4, 0.9), (0.05, 0.5, 0.95)), 0.41, 0.83
)
TEMPERATURE = FittedCalibrator(TemperatureCalibrator("paid", 3, 40, 25, 1.75), 0.38, None)
BOTH = (Action.RETRIEVE, Action.ESCALATE)

PROFILE = Profile(
    tiers=(
        FittedTier("small", "m-1", {"input": 0.25, "output": 1.0}),
        FittedTier("large", "m-2", "unknown"),
    ),
    rungs=(
        FittedRung(0, False, 0.7, BOTH, (BuyBand("paid", 0.5, 0.9),), (TEMPERATURE, ISOTONIC)),
        FittedRung(0, True, 0.6, (Action.ESCALATE,), (), (ISOTONIC,)),
        FittedRung(1, False, 0.4, BOTH, (), (ISOTONIC,)),
        FittedRung(1, True, 1.0, (), (), ()),
    ),
    estimators={"names": ["free", "paid"], "versions": {"free": 1, "paid": 3}, "how": "abc" * 20},
    prices={"error": 50.0, "abstain": 25.0},
    floor=0.5,
    advice=("escalating to large pays: é",),
    fitted_on={"questions": 40, "sha256": "00ff", "date": "2026-01-01"},
)
CERTIFICATE = Certificate(
    RiskTarget("selective", 0.1, 0.1),
    n=500,
    n_accepted=100,
    losses=4.0,
    mean_loss=0.04,
    upper=0.0788,
    p_value=0.0237,
    tested=HowTested("exact binomial", "fixed sequence", "00ff", "traffic", 7, 0, 3),
    date="2026-01-01",
).signed("scores")
HOW = "abc" * 20
MODELS = ("m-1", "m-2")
FREE = FixedEstimator("free", 0.5)
PAID = FixedEstimator("paid", 0.5, Needs(samples=5), version=3)


def saved(tmp_path: Path, profile: Profile = PROFILE) -> Path:
    path = tmp_path / "profile.json"
    save_profile(profile, path)
    return path


def edited(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = saved(tmp_path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


# --- round trip ----------------------------------------------------------------------------------


def test_a_profile_comes_back_as_it_was(tmp_path: Path) -> None:
    loaded = load_profile(saved(tmp_path))

    assert loaded == PROFILE
    assert loaded.fingerprint == PROFILE.fingerprint
    assert len(PROFILE.fingerprint) == 64


def test_saving_again_gives_the_same_file(tmp_path: Path) -> None:
    path = saved(tmp_path)
    before = path.read_bytes()
    save_profile(load_profile(path), path)

    assert path.read_bytes() == before


def test_the_file_has_the_documented_shape(tmp_path: Path) -> None:
    data = json.loads(saved(tmp_path).read_text())

    assert data["schema"] == 1
    assert data["certificate"] is None
    assert data["tiers"][0] == {
        "name": "small",
        "model": "m-1",
        "price": {"input": 0.25, "output": 1.0},
    }
    assert data["policy"]["kind"] == "threshold"
    assert data["policy"]["thresholds"][0] == {
        "tier": 0,
        "retrieved": False,
        "threshold": 0.7,
        "then": ["retrieve", "escalate"],
        "buy": [{"signal": "paid", "low": 0.5, "high": 0.9}],
    }
    assert data["policy"]["prices"] == {"error": 50.0, "abstain": 25.0}
    assert [one["kind"] for one in data["calibrators"][0]["signals"]] == ["temperature", "isotonic"]
    assert set(data) == {
        "schema",
        "tiers",
        "estimators",
        "calibrators",
        "policy",
        "certificate",
        "advice",
        "fitted_on",
        "fingerprint",
    }


def test_unknown_fields_are_kept_and_do_not_change_the_fingerprint(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda data: data.update(reviewed_by="Ada", tags=["x", None]))
    loaded = load_profile(path)

    assert loaded.extra == {"reviewed_by": "Ada", "tags": ["x", None]}
    assert loaded.fingerprint == PROFILE.fingerprint
    save_profile(loaded, path)
    assert json.loads(path.read_text())["reviewed_by"] == "Ada"
    assert load_profile(path) == loaded


numbers = st.floats(0, 1)
texts = st.text(max_size=5)


@given(
    name=texts,
    price=st.none() | texts | st.dictionaries(texts, st.floats(allow_nan=False), max_size=2),
    threshold=numbers,
    floor=st.none() | numbers,
    tau=st.floats(0.01, 100),
    knots=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=4, unique=True).map(sorted),
    estimators=st.dictionaries(texts, st.integers() | texts | st.lists(texts), max_size=3),
)
def test_any_profile_comes_back_with_its_fingerprint(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    price: Any,
    threshold: float,
    floor: float | None,
    tau: float,
    knots: list[float],
    estimators: dict[str, Any],
) -> None:
    probabilities = tuple(i / len(knots) for i in range(len(knots)))
    calibrators = (
        FittedCalibrator(TemperatureCalibrator(name, 1, 3, 2, tau), tau),
        FittedCalibrator(IsotonicCalibrator(name, 1, 3, 2, tuple(knots), probabilities), 1.0),
    )
    profile = Profile(
        (FittedTier(name, name, price),),
        (FittedRung(0, False, threshold, BOTH, (), calibrators),),
        estimators,
        floor=floor,
    )
    path = tmp_path_factory.getbasetemp() / "any.json"
    save_profile(profile, path)

    assert load_profile(path) == profile
    assert load_profile(path).fingerprint == profile.fingerprint


# --- what runs -----------------------------------------------------------------------------------


def test_the_policy_and_the_calibrators_are_those_that_were_fitted() -> None:
    policy, assessor = PROFILE.thresholds(), PROFILE.assessor()

    assert PROFILE.names == ("small", "large")
    assert policy.floor == 0.5
    assert policy.rule(Rung(0, 0, False)).buy == (BuyBand("paid", 0.5, 0.9),)
    assert policy.rule(Rung(1, 3, True)).threshold == 1.0
    signals: dict[str, Reading] = {
        "free": Signal("free", 0.25, 99.0),
        "paid": Unavailable("not bought"),
    }
    # Halfway between the knots at 0.1 and 0.4, on the signal's value and not on its raw number.
    found = assessor.assess(Rung(0, 0, False), signals)
    assert isinstance(found, Estimate) and found.p == pytest.approx((0.05 + 0.5) / 2)
    assert (found.signal, found.calibrator) == ("free", ISOTONIC.fingerprint)
    both: dict[str, Reading] = {**signals, "paid": Signal("paid", 0.5, 0.0)}
    assert assessor.assess(Rung(0, 0, False), both) == Estimate(
        0.5, "paid", True, TEMPERATURE.fingerprint
    )
    assert isinstance(assessor.assess(Rung(1, 1, True), both), Unavailable)


# --- the fingerprint -----------------------------------------------------------------------------


def deep_set(*path: Any) -> Callable[[dict[str, Any]], object]:
    """Sets the value at the end of the path."""
    *way, last, value = path

    def change(data: dict[str, Any]) -> None:
        place: Any = data
        for step in way:
            place = place[step]
        place[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        deep_set("policy", "thresholds", 0, "threshold", 0.1),
        deep_set("policy", "thresholds", 0, "then", ["escalate"]),
        deep_set("policy", "thresholds", 0, "buy", []),
        deep_set("policy", "prices", "error", 1.0),
        deep_set("policy", "floor", None),
        deep_set("calibrators", 0, "signals", 0, "tau", 0.01),
        deep_set("calibrators", 0, "signals", 1, "probabilities", [0.05, 0.6, 0.95]),
        deep_set("tiers", 0, "model", "another"),
        deep_set("tiers", 1, "price", {"input": 0.0, "output": 0.0}),
        deep_set("estimators", "how", "other prompts"),
        deep_set("certificate", CERTIFICATE.to_data()),
        deep_set("fingerprint", "0" * 64),
        lambda data: data.pop("fingerprint"),
    ],
)
def test_a_file_that_was_changed_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    path = edited(tmp_path, change)

    with pytest.raises(BadInput, match="the file was changed after it was fitted") as caught:
        load_profile(path)

    assert (caught.value.file, caught.value.field) == (str(path), "fingerprint")


def test_a_certificate_comes_back_and_names_the_policy_certified(tmp_path: Path) -> None:
    profile = replace(PROFILE, certificate=CERTIFICATE)
    save_profile(profile, tmp_path / "p.json")

    data = json.loads((tmp_path / "p.json").read_text())
    told = {name: data["certificate"][name] for name in ("kind", "alpha", "delta", "n", "k")}
    assert told == {"kind": "selective", "alpha": 0.1, "delta": 0.1, "n": 500, "k": 4.0}
    assert data["policy"]["kind"] == "certified"
    assert load_profile(tmp_path / "p.json") == profile
    assert profile.fingerprint != PROFILE.fingerprint


def test_what_a_gate_follows_comes_back(tmp_path: Path) -> None:
    rung = FittedRung(0, False, 0.7, (Action.ESCALATE,), (), (), "raw", 0.25, True, 1)
    last = FittedRung(1, False, 0.0, (), (), (), gated=False)
    profile = replace(
        PROFILE, rungs=(rung, *PROFILE.rungs[1:2], last, *PROFILE.rungs[3:]), tie_seed=9
    )
    profile = replace(profile, entry=FixedEntry(1, "large"))
    save_profile(profile, tmp_path / "p.json")

    found = load_profile(tmp_path / "p.json")
    assert found == profile
    assert found.thresholds().rule(Rung(0, 0, False)) == rung.rule
    assert found.thresholds().tie_seed == 9


def test_advice_and_origin_are_for_people_and_may_differ() -> None:
    other = replace(PROFILE, advice=(), fitted_on={"date": "another"})

    assert other.fingerprint == PROFILE.fingerprint


# --- files that are no profiles ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "expected schema 1, found list"),
        (b"{}", "expected schema 1, found None"),
        (b'{"schema": 2}', "expected schema 1, found 2"),
        (b'{"schema": "1"}', "expected schema 1, found 1"),
        (b'{"schema": 1}', "field 'calibrators': is missing"),
        (b'{"schema": 1, "a": "\xe9"}', "cannot be read"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_file_that_is_no_profile_says_so(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(content)

    with pytest.raises(BadInput, match=words):
        load_profile(path)


def test_missing_files_and_folders_are_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.json", tmp_path):
        with pytest.raises(BadInput, match="cannot be read"):
            load_profile(path)


@pytest.mark.parametrize("value", [None, 5, "text", [], {}, [5], ["text"], {"a": 5}, [[]], [{}]])
@pytest.mark.parametrize(
    "path",
    [
        ("tiers",),
        ("tiers", 0),
        ("estimators",),
        ("calibrators",),
        ("calibrators", 0),
        ("calibrators", 0, "tier"),
        ("calibrators", 0, "signals"),
        ("calibrators", 0, "signals", 0),
        ("calibrators", 0, "signals", 0, "kind"),
        ("calibrators", 0, "signals", 0, "tau"),
        ("policy",),
        ("policy", "thresholds"),
        ("policy", "thresholds", 0),
        ("policy", "thresholds", 0, "threshold"),
        ("policy", "thresholds", 0, "then"),
        ("policy", "thresholds", 0, "buy"),
        ("policy", "floor"),
        ("policy", "prices"),
        ("certificate",),
        ("advice",),
        ("fitted_on",),
    ],
    ids=lambda path: ".".join(map(str, path)) if isinstance(path, tuple) else None,
)
def test_wrong_types_anywhere_end_in_bad_input(
    tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    file = edited(tmp_path, deep_set(*path, value))

    try:
        loaded = load_profile(file)
    except BadInput as error:
        assert error.file == str(file)
    else:  # an advice of nothing, say, is a profile
        assert loaded.fingerprint == PROFILE.fingerprint


@pytest.mark.parametrize(
    "path",
    [
        ("tiers",),
        ("tiers", 0, "name"),
        ("calibrators",),
        ("calibrators", 0, "signals", 0, "log_loss"),
        ("policy",),
        ("policy", "thresholds", 0, "threshold"),
        ("policy", "floor"),
        ("certificate",),
        ("fitted_on",),
    ],
)
def test_a_missing_field_is_named(tmp_path: Path, path: tuple[Any, ...]) -> None:
    def remove(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        del data[path[-1]]

    with pytest.raises(BadInput, match="is missing") as caught:
        load_profile(edited(tmp_path, remove))

    assert caught.value.field == path[-1]


# --- saving --------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        save_profile(replace(PROFILE, floor=0.9), path)

    assert load_profile(path) == PROFILE
    assert os.listdir(tmp_path) == ["profile.json"]


def test_a_folder_in_its_place_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "profile.json").mkdir()

    with pytest.raises(StoreError):
        save_profile(PROFILE, tmp_path / "profile.json")

    assert os.listdir(tmp_path) == ["profile.json"]


# --- what it is fitted on and what runs ----------------------------------------------------------


def test_what_it_was_fitted_on_may_run() -> None:
    PROFILE.check(MODELS, [FREE, PAID], HOW)
    PROFILE.check(MODELS, [PAID, FixedEstimator("unrelated"), FREE], HOW)


@pytest.mark.parametrize(
    ("models", "estimators", "how", "words"),
    [
        (("m-1",), [FREE, PAID], HOW, "fitted on 2 tiers, 1 are configured"),
        (("m-1", "m-2", "m-3"), [FREE, PAID], HOW, "fitted on 2 tiers, 3 are configured"),
        (("m-1", "m-9"), [FREE, PAID], HOW, "tier 'large': .* fitted on m-2, but m-9 is"),
        (("m-2", "m-1"), [FREE, PAID], HOW, "tier 'small': .* fitted on m-1, but m-2 is"),
        (MODELS, [PAID], HOW, "signals: .* fitted on free, but paid is"),
        (MODELS, [FREE], HOW, "signals: .* fitted on paid, but free is"),
        (MODELS, [], HOW, "but none is"),
        (
            MODELS,
            [FixedEstimator("free", version=2), PAID],
            HOW,
            "'free': .* on version 1, but version 2 is",
        ),
        (
            MODELS,
            [FREE, PAID],
            "other",
            "prompts and signal settings: .* fitted on abcabcabcabc, but other is",
        ),
    ],
)
def test_what_differs_is_named(
    models: tuple[str, ...], estimators: list[FixedEstimator], how: str, words: str
) -> None:
    with pytest.raises(ProfileMismatch, match=words) as caught:
        PROFILE.check(models, estimators, how)

    assert caught.value.field == "policy.profile"


def test_a_signal_that_is_only_bought_must_be_configured_too() -> None:
    rung = FittedRung(0, False, 0.7, BOTH, (BuyBand("paid", 0.5, 0.9),), (ISOTONIC,))
    profile = Profile((FittedTier("a"),), (rung,))

    with pytest.raises(ProfileMismatch, match="fitted on paid"):
        profile.check(("any",), [FREE], "any")


def test_a_profile_of_a_bare_table_binds_to_signal_names_only() -> None:
    bare = replace(
        PROFILE,
        tiers=(FittedTier("tier-0"), FittedTier("tier-1")),
        estimators={"names": ["free", "paid"]},
    )

    bare.check(("any", "other"), [FREE, FixedEstimator("paid", version=9)], "any")
    with pytest.raises(ProfileMismatch, match="signals"):
        bare.check(("any", "other"), [FREE], "any")
