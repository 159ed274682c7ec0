"""A recorded world: replies to the loop's requests read from an outcome table.

The policy that is replayed runs through the very loop that serves; only the world is a record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from ..router.assessing import BareAssessor
from ..router.batch import Batch, BatchEstimator
from ..router.budget import Budget
from ..router.decisions import Result, Rung
from ..router.errors import UsageError
from ..router.evidence import FinishReason, Generation, Passage, Turn
from ..router.loop import Run, open_run
from ..router.making import maker
from ..router.plan import Plan, RetrievalPlan, TierPlan
from ..router.protocols import Assessor, EntryPolicy, Estimator, Needs, Policy, Prior
from ..router.requests import Ask, Asked, Draft, Drafted, Reply, Request, Retrieve, Retrieved
from ..router.signals import Detail, Reading, Signal, Unavailable
from .outcomes import Outcome, OutcomeTable

__all__ = ["RecordedSignal", "Replayer", "Tape"]

_PLACEHOLDER = "(recorded)"
# How `Recorder` notes that an answer is not whole; a word that it never writes says nothing.
_CUT = (None, *(reason for reason in get_args(FinishReason) if reason != "stop"))
_NULL = Unavailable("null in the outcome table")
_NO_DETAILS: Mapping[str, Detail] = {}

_make_drafted = maker(Drafted)
_make_generation = maker(Generation)
_make_reply = maker(Reply)
_make_signal = maker(Signal)


@dataclass(slots=True)
class Tape:
    """The row that the current attempt stands on."""

    row: Outcome | None = None


@dataclass(frozen=True, slots=True)
class RecordedSignal(BatchEstimator):
    """An estimator that reads its value from the tape."""

    name: str
    tape: Tape
    needs: Needs = field(default_factory=Needs)
    version: int = 1

    def estimate_batch(self, batch: Batch) -> Sequence[Reading]:
        """The recorded value, for every record: they are all the attempt on the tape."""
        row = self.tape.row
        value = None if row is None else row.signals.get(self.name)
        if value is None:
            return (_NULL,) * len(batch)
        return (_make_signal(self.name, value, value, "confidence", _NO_DETAILS),) * len(batch)


class _NoSize:
    """Recorded attempts fitted their context when they were made."""

    def prompt_tokens(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> int:
        return 0


class Replayer:
    """Replays a policy over recorded outcomes, one question at a time.

    An attempt whose recorded answer is empty, or was cut, is no more answered with than online.

    Args:
        names: the tiers' names; as many as the table has tiers.
        prior: what the policies may know of a question before the first draft.
        entry: chooses the first tier; None begins with the cheapest.
        questions: texts by query id, for rows that do not carry theirs; where neither does, the
            query id stands for the question.
    """

    def __init__(
        self,
        table: OutcomeTable,
        names: tuple[str, ...],
        policy: Policy,
        assessor: Assessor | None = None,
        *,
        budget: Budget | None = None,
        prior: Prior | None = None,
        entry: EntryPolicy | None = None,
        questions: Mapping[str, str] | None = None,
    ) -> None:
        if len(names) < table.tiers:
            raise UsageError(
                f"the outcome table has {table.tiers} tiers, the profile {len(names)}: "
                "replay it with a profile that was fitted on as many tiers"
            )
        bought = table.bought
        self._table = table
        self._tape = Tape()
        self._questions = {} if questions is None else questions
        estimators: list[Estimator] = [
            RecordedSignal(name, self._tape, Needs(asked=name if name in bought else None))
            for name in table.signals
        ]
        rounds = table.rounds
        self.plan = Plan(
            tiers=tuple(TierPlan(name, name) for name in names),
            policy=policy,
            assessor=assessor or BareAssessor(table.signals),
            sizer=_NoSize(),
            free=tuple(e for e in estimators if e.needs.is_free),
            buyable=tuple(e for e in estimators if not e.needs.is_free),
            budget=budget or Budget(max_rounds=rounds),
            retrieval=RetrievalPlan() if rounds else None,
            prior=prior,
            entry=entry,
        )

    def question(self, query_id: str) -> str:
        """The question's text: as the rows carry it (where they differ, the lowest rung's), else as
        it was given to the replayer, else the query id."""
        first = None
        for rung, row in self._table.queries[query_id].items():
            if row.question is not None and (first is None or rung < first[0]):
                first = (rung, row.question)
        return self._questions.get(query_id, query_id) if first is None else first[1]

    def replay(self, query_id: str, policy: Policy | None = None) -> Result:
        """The policy over one question.

        Args:
            policy: stands in for the replayer's own, where a search tries many.

        Raises:
            UsageError: the policy reached a state that the table has no row for.
        """
        plan = self.plan if policy is None else replace(self.plan, policy=policy)
        run = open_run(plan, self.question(query_id), run_id=query_id)
        while run.request is not None:
            run.advance(self._reply(run, run.request, query_id))
        assert run.result is not None
        return run.result

    def _reply(self, run: Run, request: Request, query_id: str) -> Reply:
        if isinstance(request, Draft):
            shown = bool(request.passages)
            rung = Rung(request.tier, run.state.round if shown else 0, shown)
            row = self._table.row(query_id, rung)
            if row is None:
                raise UsageError(
                    f"query {query_id!r} has no row for tier {rung.tier}, round {rung.round}, "
                    f"retrieved {str(rung.retrieved).lower()}, which the policy reaches; leaving "
                    "it out would bias the result: record this attempt too"
                )
            self._tape.row = row
            return _make_reply(_make_drafted(_generation(row)), row.cost, row.latency_s or 0.0, 1)
        if isinstance(request, Retrieve):
            ahead = run.state.round + 1
            found = any([rung.round == ahead for rung in self._table.queries[query_id]])
            passage = Passage(f"round-{ahead}", "recorded", "", 1.0)
            return Reply(Retrieved((passage,) if found else ()))
        if isinstance(request, Ask):
            row = self._tape.row
            cost = 0.0 if row is None else row.signal_costs.get(request.kind, 0.0)
            return Reply(Asked((Generation(_PLACEHOLDER),)), cost, calls=1)
        raise UsageError(f"a record cannot answer a {type(request).__name__}")


def _generation(row: Outcome) -> Generation:
    """What was written; an answer of null is one that the table does not tell."""
    finish: Any = row.extra.get("finish_reason", "stop") if row.extra else "stop"
    text = _PLACEHOLDER if row.answer is None else row.answer
    return _make_generation(text, (), finish if finish in _CUT else "stop")
