"""What a run is built from: the tiers, the estimators, the policy and the limits. Frozen."""

from __future__ import annotations

from dataclasses import dataclass, field

from .budget import Budget, Price
from .protocols import Assessor, EntryPolicy, Estimator, Policy, PrefixGate, Prior, Sizer

__all__ = ["Plan", "RetrievalPlan", "TierPlan"]


FREE = Price(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class TierPlan:
    """One configured model as the loop sees it.

    Attributes:
        name: the operator's name for it.
        model: the model behind it, as reported in results.
        context: tokens that prompt and answer may have together.
        max_output: tokens that an answer may have.
        price: per token; None where it is unknown, which turns money budgets off, visibly.
        latency_s: seconds that one call is expected to take; 0 where nothing is known.
    """

    name: str
    model: str
    context: int = 2048
    max_output: int = 64
    price: Price | None = FREE
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RetrievalPlan:
    """How retrieval is asked for.

    Attributes:
        k: passages in the first round; each further round asks for `k` more.
        latency_s: seconds that one search is expected to take.
        passage_tokens: expected length of one passage, for forecasts made before the search.
    """

    k: int = 3
    latency_s: float = 0.0
    passage_tokens: int = 120


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole deployment, frozen: the same plan and the same replies give the same run.

    Attributes:
        tiers: cheapest first.
        free: estimators that need nothing bought; read after every draft.
        buyable: estimators whose needs cost something; read when a policy buys them.
        remember: whether runs begin with `Recall` and end with `Record`.
        compare_latency_s: seconds that one `Compare` or `Critique` is expected to take.
        certificate: name of the certificate that vouches for gated answers, if any.
        prior: judges questions before anything is generated.
        entry: chooses the tier that drafts first; None enters at the cheapest that can.
    """

    tiers: tuple[TierPlan, ...]
    policy: Policy
    assessor: Assessor
    sizer: Sizer
    free: tuple[Estimator, ...] = ()
    buyable: tuple[Estimator, ...] = ()
    budget: Budget = field(default_factory=Budget)
    retrieval: RetrievalPlan | None = None
    prefix_gate: PrefixGate | None = None
    remember: bool = False
    compare_latency_s: float = 0.0
    certificate: str | None = None
    prior: Prior | None = None
    entry: EntryPolicy | None = None
