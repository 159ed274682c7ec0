"""The audit: which answers are labelled, drawn with a known probability.

The draw comes after the decision and hangs on nothing but the plan, the action, the score and a
keyed hash of the run id. It never sees the answer's loss, so the logged propensity is the true one
and every later estimate can weigh by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from ..router.decisions import Action
from ..router.errors import ConfigurationError

__all__ = ["AuditBand", "AuditDraw", "AuditPlan", "audit_uniform", "draw"]

_BITS = 53  # as many as a float of [0, 1) keeps apart
_PERSON = b"surefoot-audit"  # keeps these draws apart from tie-breaks under the same key


@dataclass(frozen=True, slots=True)
class AuditBand:
    """Drafts that score in [low, high) and ended in `action` are drawn with `share`."""

    low: float
    high: float
    share: float
    action: Action = Action.ANSWER


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """How likely a draft is to be labelled, by what was done with it and by its score.

    Attributes:
        share: of answers that no band holds, those without a score included.
        bands: score bands with their own share; the first that holds wins.
        escalated_share: of drafts that were not good enough and led to a search or a higher tier;
            0 audits none, and then nothing can be learned about a looser threshold.
        abstained_share: of the best drafts of abstained requests; 0 as above.
        pi_min: least propensity of anything that is audited at all, above 0: no weight is ever
            larger than 1 / pi_min, and every confidence interval pays for that largest weight.

    Raises:
        ConfigurationError: a share is out of range or below `pi_min`, or a band is empty.
    """

    share: float
    bands: tuple[AuditBand, ...] = ()
    escalated_share: float = 0.0
    abstained_share: float = 0.0
    pi_min: float = 0.01

    def __post_init__(self) -> None:
        if not 0.0 < self.pi_min <= 1.0:
            raise _bad("pi_min", self.pi_min, "(0, 1]")
        _check_share("share", self.share, self.pi_min)
        for name in ("escalated_share", "abstained_share"):
            value = getattr(self, name)
            if value != 0.0:
                _check_share(name, value, self.pi_min)
        for number, band in enumerate(self.bands):
            _check_share(f"bands.{number}.share", band.share, self.pi_min)
            if not band.low < band.high:
                raise _bad(f"bands.{number}", (band.low, band.high), "low < high")

    def propensity(self, action: Action, score: float | None) -> float:
        """P(audited) of a draft that ended in `action` at `score`; 0 where none is audited."""
        for band in self.bands:
            if band.action is action and score is not None and band.low <= score < band.high:
                return band.share
        if action is Action.ANSWER:
            return self.share
        return self.abstained_share if action is Action.ABSTAIN else self.escalated_share

    def raised(self, factor: float) -> AuditPlan:
        """The plan with every share `factor` times as large, at most 1: what an alarm asks for.

        Raises:
            ConfigurationError: the factor is below 1.
        """
        if not factor >= 1.0:
            raise _bad("factor", factor, "[1, inf)")
        return replace(
            self,
            share=min(1.0, factor * self.share),
            bands=tuple(replace(b, share=min(1.0, factor * b.share)) for b in self.bands),
            escalated_share=min(1.0, factor * self.escalated_share),
            abstained_share=min(1.0, factor * self.abstained_share),
        )


@dataclass(frozen=True, slots=True)
class AuditDraw:
    """Whether a draft is to be labelled, and how likely that was."""

    audited: bool
    propensity: float

    def fields(self) -> Mapping[str, Any]:
        """As an outcome table logs it."""
        return MappingProxyType({"audited": self.audited, "propensity": self.propensity})


def draw(
    plan: AuditPlan,
    run_id: str,
    action: Action,
    score: float | None,
    *,
    secret: str,
    part: str = "",
) -> AuditDraw:
    """Whether this draft is audited: the same for the same arguments, on every replica.

    Args:
        action: what was done with the draft: `answer`, `retrieve` or `escalate` past it, `abstain`.
        score: what the gate compared; None where the signal was missing.
        secret: key of the draw. Whoever knows it can foresee which requests are checked.
        part: names the draft where several of one run are drawn independently; drafts of one run
            and part share one draw, so what is rarer is a subset of what is more frequent.
    """
    propensity = plan.propensity(action, score)
    return AuditDraw(audit_uniform(secret, run_id, part) < propensity, propensity)


def audit_uniform(secret: str, run_id: str, part: str = "") -> float:
    """u in [0, 1), uniform over run ids and parts: a keyed BLAKE2b hash."""
    key, person = _key(secret), _PERSON
    hashed = hashlib.blake2b(digest_size=8, key=key, person=person)
    name = run_id.encode("utf-8", "surrogatepass")
    hashed.update(len(name).to_bytes(8, "big"))  # else ("ab", "c") and ("a", "bc") were the same
    hashed.update(name + part.encode("utf-8", "surrogatepass"))
    return (int.from_bytes(hashed.digest(), "big") >> (64 - _BITS)) / (1 << _BITS)


@lru_cache(maxsize=64)
def _key(secret: str) -> bytes:
    return hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=32).digest()


def _check_share(name: str, value: float, least: float) -> None:
    if not least <= value <= 1.0:
        raise _bad(name, value, f"[{least:g}, 1]")


def _bad(name: str, value: object, wanted: str) -> ConfigurationError:
    return ConfigurationError(
        f"the audit plan's {name} is {value}; expected {wanted}", field=f"audit.{name}"
    )
