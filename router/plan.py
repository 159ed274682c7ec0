"""What a run is built from: the tiers, the estimators, the policy and the limits. Frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .budget import Budget, Price
from .critic.corrective import Corrective
from .protocols import Assessor, EntryPolicy, Estimator, Policy, PrefixGate, Prior, Sizer

__all__ = ["Plan", "QuerySource", "RetrievalPlan", "TierPlan"]

QuerySource = Literal["question", "rationale", "model"]
"""Where the next query comes from."""


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
        lacks: what the model is known not to give, and which signals are out of reach for that;
            None where nothing is.
    """

    name: str
    model: str
    context: int = 2048
    max_output: int = 64
    price: Price | None = FREE
    latency_s: float = 0.0
    lacks: str | None = None


@dataclass(frozen=True, slots=True)
class RetrievalPlan:
    """How retrieval is asked for.

    Attributes:
        k: passages in the first round; each further round asks for `k` more.
        latency_s: seconds that one search is expected to take.
        passage_tokens: expected length of one passage, for forecasts made before the search.
        queries: where the next query comes from once an answer from passages was refused: `model`
            asks the tier that drafted (which also makes a follow-up question stand alone), and
            without a new query from it falls back on `rationale`, the last sentence of the reasons
            that came with the answer; without any, `question` asks for more of the same.
        stop_unchanged: search no further once a tier gives the same answer twice in a row and is
            no surer of it. Recorded tables know no such stop, so it stands outside a certificate.
        situated_margin: where an answer from passages is about to be served, and the same tier
            answered otherwise without them, serve that answer if its estimate leads by more than
            this. Recorded tables know no such exchange, so it stands outside a certificate too.
        least_gain: search further only where the last search raised the tier's estimate by at
            least this; it may be below 0. Outside a certificate as well.
        corrective: what to keep of each passage that was found; None keeps all as they are.
    """

    k: int = 3
    latency_s: float = 0.0
    passage_tokens: int = 120
    queries: QuerySource = "question"
    stop_unchanged: bool = False
    corrective: Corrective | None = None
    situated_margin: float | None = None
    least_gain: float | None = None


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
        critiques: whether every whole draft is put before the critic, once. A draft that it could
            not judge is taken for one that nothing is known of.
        fallback: names of the signals that stand in for the others where none of these can be had.
        finish: whether a tier that is escalated to goes on from what a stopped draft has left
            (`Stop.keep`), where it has room for it. No certificate vouches for such an answer.
        release_gate: lets drafts be shown while they are written, in runs that somebody watches; a
            draft that it releases is the answer. It stops none.
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
    critiques: bool = False
    fallback: tuple[str, ...] = ()
    finish: bool = False
    release_gate: PrefixGate | None = None
