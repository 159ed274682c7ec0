"""The profile: calibrators, policy, certificate and fingerprints in one reviewable JSON file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..router.assessing import CalibratedAssessor, RungCalibrators
from ..router.decisions import Action
from ..router.errors import BadInput, ProfileMismatch, UsageError
from ..router.protocols import EntryPolicy, Estimator
from ..router.tables import write_atomically
from ..router.wire import decode, encode
from .cascade_routing import CascadeRoutingPolicy
from .certificates import Certificate
from .entry_files import EntryRule, entry_data, entry_of
from .fitted import FittedCalibrator, calibrator_entry, calibrator_of
from .prices import Prices
from .prior import QuestionPrior
from .threshold import BuyBand, RungRule, ThresholdPolicy
from .utility import UtilityPolicy
from .value_rules import ValueRules, value_rules_data, value_rules_of
from .way import Way

__all__ = [
    "FittedCalibrator",
    "FittedRung",
    "FittedTier",
    "Profile",
    "load_profile",
    "parse_profile",
    "profile_text",
    "save_profile",
]

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class FittedTier:
    """A tier as it was when the profile was fitted; `model` None where the table named none."""

    name: str
    model: str | None = None
    price: Mapping[str, float] | str | None = None


@dataclass(frozen=True, slots=True)
class FittedRung:
    """Everything fitted for one rung; the first calibrator is the preferred one.

    The other fields are those of `RungRule`.
    """

    tier: int
    retrieved: bool
    threshold: float
    then: tuple[Action, ...]
    buy: tuple[BuyBand, ...]
    calibrators: tuple[FittedCalibrator, ...]
    score: str | None = None
    tie: float = 0.0
    gated: bool = True
    to: int | None = None
    round: int | None = None

    @property
    def rule(self) -> RungRule:
        """What the policy follows on this rung."""
        return RungRule(
            self.tier,
            self.threshold,
            self.retrieved,
            self.then,
            self.buy,
            self.score,
            self.tie,
            self.gated,
            self.to,
            self.round,
        )

    @classmethod
    def of(cls, rule: RungRule, calibrators: tuple[FittedCalibrator, ...]) -> FittedRung:
        """A rule with the calibrators of its rung. `rule.retrieved` must be told."""
        assert rule.retrieved is not None
        return cls(
            rule.tier,
            rule.retrieved,
            rule.threshold,
            rule.then,
            rule.buy,
            calibrators,
            rule.score,
            rule.tie,
            rule.gated,
            rule.to,
            rule.round,
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """What one fits, reviews, ships and rolls back.

    Attributes:
        estimators: name to version, and how they were read; empty for bare tables, which bind to
            signal names only.
        certificate: of the gated answers; None where no error rate is promised.
        floor: estimate from which the best attempt is served where nothing is left to try.
        prices: of an error and of an abstention, in the table's currency.
        entry: where requests enter; None enters at the cheapest tier that can draft, or where
            `values` and `prior` say.
        tie_seed: of the draw among equal scores.
        prior: what is known of a question before any draft; None where nothing is.
        values: of a policy that weighs what steps are worth; None where thresholds decide.
        way: what orders this traffic best; None where nobody has looked.
        extra: fields that this version does not know, kept as they came.
    """

    tiers: tuple[FittedTier, ...]
    rungs: tuple[FittedRung, ...]
    estimators: Mapping[str, Any] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    floor: float | None = None
    certificate: Certificate | None = None
    advice: tuple[str, ...] = ()
    fitted_on: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    entry: EntryRule | None = None
    tie_seed: int = 0
    prior: QuestionPrior | None = None
    values: ValueRules | None = None
    way: Way | None = None

    @property
    def kind(self) -> str:
        """Of the policy: `certified` where a certificate stands behind its thresholds."""
        if self.values is not None:
            return self.values.kind
        return "threshold" if self.certificate is None else "certified"

    @property
    def names(self) -> tuple[str, ...]:
        """The tiers' names."""
        return tuple(tier.name for tier in self.tiers)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything but the advice, what it was fitted on, and unknown fields."""
        body = _body(self, with_notes=False)
        for volatile in ("advice", "fitted_on"):
            del body[volatile]
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def policy(self) -> ThresholdPolicy | UtilityPolicy | CascadeRoutingPolicy:
        """The policy as it will run."""
        if self.values is not None:
            return self.values.policy(self._prices(), self.names)
        return self.thresholds()

    def thresholds(self) -> ThresholdPolicy:
        """The rules of a policy of thresholds."""
        rules = tuple(rung.rule for rung in self.rungs)
        return ThresholdPolicy(rules, self.names, self.floor, tie_seed=self.tie_seed)

    def entry_policy(self) -> EntryPolicy | None:
        """What chooses the first tier: of a value policy its own values, where a prior is known."""
        if self.values is not None and self.prior is not None:
            return self.values.entry(self._prices(), self.names)
        return self.entry

    def _prices(self) -> Prices:
        return Prices(self.prices.get("error", 1.0), self.prices.get("abstain", 0.0))

    def assessor(self) -> CalibratedAssessor:
        """The calibrators as they will run."""
        return CalibratedAssessor(
            tuple(
                RungCalibrators(
                    rung.tier,
                    rung.retrieved,
                    tuple((fitted.name, fitted.running()) for fitted in rung.calibrators),
                )
                for rung in self.rungs
            )
        )

    def check(self, models: Sequence[str], estimators: Sequence[Estimator], how: str) -> None:
        """Refuse to run on anything else than what the profile was fitted on.

        Args:
            models: of the configured tiers, cheapest first.
            estimators: configured ones, free and bought.
            how: fingerprint of prompts and of the way signals are read.

        Raises:
            ProfileMismatch: names what differs.
        """
        if len(models) != len(self.tiers):
            raise ProfileMismatch(
                f"the profile was fitted on {len(self.tiers)} tiers, {len(models)} are configured",
                field="policy.profile",
            )
        for fitted, model in zip(self.tiers, models, strict=True):
            if fitted.model is not None and fitted.model != model:
                raise _mismatch(f"tier {fitted.name!r}", fitted.model, model)
        configured = {estimator.name: estimator.version for estimator in estimators}
        for name in self._needed():
            if name not in configured:
                raise _mismatch("signals", name, ", ".join(configured) or "none")
        versions: Mapping[str, int] = self.estimators.get("versions", {})
        for name, version in versions.items():
            if name in configured and configured[name] != version:
                raise _mismatch(
                    f"estimator {name!r}", f"version {version}", f"version {configured[name]}"
                )
        fitted_how = self.estimators.get("how")
        if fitted_how is not None and fitted_how != how:
            raise _mismatch("prompts and signal settings", str(fitted_how)[:12], how[:12])

    def _needed(self) -> list[str]:
        """The signals that the thresholds rest on, and those that are bought."""
        needed: dict[str, None] = {}
        for rung in self.rungs:
            if not rung.gated or (self.values is not None and not rung.calibrators):
                continue  # whatever it writes is served: nothing is read for it
            if rung.score is not None:
                needed[rung.score] = None
            for fitted in rung.calibrators[: 1 if rung.score is None else 0]:
                needed.update(dict.fromkeys(fitted.parts))
            for band in rung.buy:
                needed[band.signal] = None
        return list(needed)


def _mismatch(what: str, fitted: str, found: str) -> ProfileMismatch:
    return ProfileMismatch(
        f"{what}: the profile was fitted on {fitted}, but {found} is configured; fit a profile "
        "for this configuration (`surefoot record`, then `surefoot fit`)",
        field="policy.profile",
    )


def _body(profile: Profile, *, with_notes: bool = True) -> dict[str, Any]:
    return {
        "schema": _SCHEMA,
        "tiers": [
            {"name": tier.name, "model": tier.model, "price": _price(tier.price)}
            for tier in profile.tiers
        ],
        "estimators": dict(profile.estimators),
        "calibrators": [
            {
                "tier": rung.tier,
                "retrieved": rung.retrieved,
                "signals": [
                    calibrator_entry(fitted, with_note=with_notes) for fitted in rung.calibrators
                ],
            }
            for rung in _first_of_each_kind(profile.rungs)
        ],
        "policy": {
            "kind": profile.kind,
            "thresholds": [_rule_data(rung) for rung in profile.rungs],
            "floor": profile.floor,
            "prices": dict(profile.prices),
            **({} if profile.entry is None else {"entry": entry_data(profile.entry)}),
            **({"tie_seed": profile.tie_seed} if profile.tie_seed else {}),
            **({} if profile.values is None else {"values": value_rules_data(profile.values)}),
            **({} if profile.way is None else {"way": encode(profile.way)}),
        },
        **({} if profile.prior is None else {"prior": profile.prior.to_data()}),
        "certificate": None if profile.certificate is None else profile.certificate.to_data(),
        "advice": list(profile.advice),
        "fitted_on": dict(profile.fitted_on),
    }


def _first_of_each_kind(rungs: Sequence[FittedRung]) -> list[FittedRung]:
    """Rules may differ from round to round, calibrators do not."""
    return list({(rung.tier, rung.retrieved): rung for rung in reversed(rungs)}.values())[::-1]


def _rule_data(rung: FittedRung) -> dict[str, Any]:
    """What has its usual value is left out: older profiles keep their fingerprint."""
    rest = {
        name: value
        for name, usual, value in (
            ("score", None, rung.score),
            ("tie", 0.0, rung.tie),
            ("gated", True, rung.gated),
            ("to", None, rung.to),
            ("round", None, rung.round),
        )
        if value != usual
    }
    return {
        "tier": rung.tier,
        "retrieved": rung.retrieved,
        "threshold": rung.threshold,
        "then": [action.value for action in rung.then],
        "buy": [{"signal": b.signal, "low": b.low, "high": b.high} for b in rung.buy],
        **rest,
    }


def _price(price: Mapping[str, float] | str | None) -> Any:
    return dict(price) if isinstance(price, Mapping) else price


def save_profile(profile: Profile, path: Path) -> None:
    """Write the profile, all or nothing.

    Raises:
        StoreError: the file cannot be written; an older one is left as it was.
    """
    write_atomically(path, profile_text(profile))


def profile_text(profile: Profile) -> str:
    """The profile as JSON, as a file has it."""
    body = {**_body(profile), **profile.extra, "fingerprint": profile.fingerprint}
    return json.dumps(body, indent=1) + "\n"


def load_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        BadInput: the file is absent, is no profile, or was changed after it was fitted.
    """
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", file=name) from error
    return parse_profile(text, name)


def parse_profile(text: str, name: str) -> Profile:
    """Read a profile's JSON; `name` says in errors where it came from. Raises as `load_profile`."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise BadInput(f"not JSON: {error}", file=name, line=line) from error
    if not isinstance(data, dict) or data.get("schema") != _SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise BadInput(f"expected schema {_SCHEMA}, found {found}", file=name, field="schema")
    try:
        profile = _profile(data)
        fingerprint = profile.fingerprint
    except KeyError as error:
        raise BadInput("is missing", file=name, field=str(error.args[0])) from error
    except (TypeError, ValueError, AttributeError, UsageError) as error:
        raise BadInput(f"not a profile: {error}", file=name) from error
    if data.get("fingerprint") != fingerprint:
        raise BadInput(
            "does not fit the content: the file was changed after it was fitted; fit it again",
            file=name,
            field="fingerprint",
        )
    return profile


_KNOWN = frozenset(
    (
        "schema tiers estimators calibrators policy prior certificate advice fitted_on fingerprint"
    ).split()
)


_RULE_OPTIONS = ("score", "tie", "gated", "to", "round")


def _profile(data: Mapping[str, Any]) -> Profile:
    calibrators = {
        (entry["tier"], entry["retrieved"]): tuple(calibrator_of(one) for one in entry["signals"])
        for entry in data["calibrators"]
    }
    policy = data["policy"]
    rungs = tuple(
        FittedRung(
            rule["tier"],
            rule["retrieved"],
            rule["threshold"],
            tuple(Action(action) for action in rule["then"]),
            tuple(BuyBand(band["signal"], band["low"], band["high"]) for band in rule["buy"]),
            calibrators[rule["tier"], rule["retrieved"]],
            **{name: rule[name] for name in _RULE_OPTIONS if name in rule},
        )
        for rule in policy["thresholds"]
    )
    certificate, entry = data["certificate"], policy.get("entry")
    return Profile(
        tuple(FittedTier(t["name"], t["model"], t["price"]) for t in data["tiers"]),
        rungs,
        data["estimators"],
        policy["prices"],
        policy["floor"],
        None if certificate is None else Certificate.of_data(certificate),
        tuple(data["advice"]),
        data["fitted_on"],
        {name: value for name, value in data.items() if name not in _KNOWN},
        None if entry is None else entry_of(entry),
        policy.get("tie_seed", 0),
        QuestionPrior.from_data(data["prior"]) if data.get("prior") else None,
        value_rules_of(policy["values"]) if policy.get("values") else None,
        decode(Way, policy["way"]) if policy.get("way") else None,
    )
