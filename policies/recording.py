"""Making an outcome table: every rung of the ladder drafted for every question, and judged.

What is recorded does not depend on any policy, so that any policy can be fitted and replayed on it.
Each question's rows are appended in one write; an interrupted recording goes on where it stopped.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from ..router.budget import Budget
from ..router.comparisons import pairs_to_compare, with_comparison
from ..router.decisions import Rung
from ..router.errors import BadInput, RunError, StoreError, UpstreamUnavailable, UsageError
from ..router.evidence import Evidence, Passage
from ..router.forecasts import Outlook
from ..router.guards import read_safely
from ..router.perform import Performer, RunView, Session
from ..router.plan import Plan
from ..router.purchases import critique_request, missing_parts, with_outcome
from ..router.rationales import split_rationale
from ..router.requests import (
    Compare,
    Compared,
    CompareKind,
    Draft,
    Drafted,
    Failure,
    Reply,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
)
from ..router.signals import Signal
from ..router.state import RunState
from ..router.tables import json_line
from ..router.text import clean_text
from .outcomes import Outcome, outcome_row
from .questions import Question, is_right

__all__ = ["Recorder", "recorded_ids", "row_facts"]

_ROWS = "rows_of_query"
_COMPARE_KINDS: tuple[CompareKind, ...] = get_args(CompareKind)
_BEGINNING = b'{"query_id":'


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records outcomes.

    Attributes:
        how: fingerprint of prompts and signal settings, written into every row.
        clock: monotonic seconds.
    """

    plan: Plan
    performer: Performer
    how: str
    clock: Callable[[], float]

    async def record(
        self,
        questions: Sequence[Question],
        out: Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Append the rows of every question that `out` does not hold yet; return how many it was.

        Raises:
            BadInput: `out` was recorded under other settings, or is no outcome table.
            StoreError: `out` cannot be written; whole questions written so far stay.
            RunError: a model or the retriever failed; go on with the same call later.
        """
        done = recorded_ids(out, self.how)
        missing = [question for question in questions if question.id not in done]
        if progress is not None:
            progress(len(questions) - len(missing), len(questions))
        for number, question in enumerate(missing, start=1):
            rows = await self.rows(question)
            _append(out, [outcome_row(row) for row in rows])
            if progress is not None:
                progress(len(questions) - len(missing) + number, len(questions))
        return len(missing)

    async def rows(self, question: Question) -> list[Outcome]:
        """One row per tier, closed book and (where documents are configured) from one search."""
        passages = await self._passages(question)
        rows = []
        for shown in ((), passages) if passages else ((),):
            for tier in range(len(self.plan.tiers)):
                rows.append(await self._row(question, tier, shown))
        # Every row says how many there are: how a later call knows that none was lost.
        return [replace(row, extra={**row.extra, _ROWS: len(rows)}) for row in rows]

    async def _passages(self, question: Question) -> tuple[Passage, ...]:
        if self.plan.retrieval is None:
            return ()
        reply, _ = await self._perform(Retrieve(question.question, self.plan.retrieval.k), question)
        assert isinstance(reply.outcome, Retrieved)
        return reply.outcome.passages

    async def _row(self, question: Question, tier: int, passages: tuple[Passage, ...]) -> Outcome:
        state = RunState("", question.question, Budget(), tier=tier, passages=passages)
        fit = Outlook(self.plan, state).fit(tier)
        if not isinstance(fit, str) and passages and not fit.passages:
            fit = "no passage fits its context"
        if isinstance(fit, str):
            name = self.plan.tiers[tier].name
            raise UsageError(
                f"question {question.id!r} cannot be put to tier '{name}': {fit}; give the tier a "
                "longer context, or leave the question out"
            )
        reply, latency_s = await self._perform(Draft(tier, fit.passages), question)
        assert isinstance(reply.outcome, Drafted)
        generation = reply.outcome.generation
        generation = replace(generation, text=clean_text(generation.text))  # as the loop does
        evidence = Evidence(question.question, generation, passages=fit.passages)
        evidence, sample_cost = await self._sampled(evidence, tier, question)
        evidence, compare_s = await self._compared(evidence, question)
        evidence = await self._judged(evidence, tier, question)
        signals, costs = self._signals(evidence, sample_cost)
        answer, _ = split_rationale(generation.text)
        right = generation.is_complete and is_right(answer, question.answers)
        rung = Rung(tier, int(bool(fit.passages)), bool(fit.passages))
        facts = row_facts(self.plan, self.how, question, tier, generation.finish_reason)
        return Outcome(
            question.id,
            rung.tier,
            rung.round,
            rung.retrieved,
            answer,
            0.0 if right else 1.0,
            reply.cost or 0.0,
            round(latency_s, 4),
            signals,
            costs,
            question.question,
            self.plan.tiers[tier].model,
            {**facts, **compare_s},
        )

    async def _sampled(
        self, evidence: Evidence, tier: int, question: Question
    ) -> tuple[Evidence, float]:
        n = max((estimator.needs.samples for estimator in self.plan.buyable), default=0)
        if not n:
            return evidence, 0.0
        reply, _ = await self._perform(Sample(tier, n, evidence.passages), question)
        assert isinstance(reply.outcome, Sampled)
        return replace(evidence, samples=reply.outcome.generations), reply.cost or 0.0

    async def _compared(
        self, evidence: Evidence, question: Question
    ) -> tuple[Evidence, Mapping[str, Any]]:
        """The evidence with its matrices, and what compared it in how many seconds, by kind."""
        wanted = {estimator.needs.compare for estimator in self.plan.buyable}
        kinds = [kind for kind in _COMPARE_KINDS if kind in wanted]
        if not kinds or not evidence.greedy.is_complete:
            return evidence, {}
        seconds = {}
        for kind in kinds:
            pairs = pairs_to_compare(evidence, kind)
            reply, elapsed_s = await self._perform(Compare(pairs, kind), question)
            assert isinstance(reply.outcome, Compared)
            evidence = with_comparison(evidence, kind, pairs, reply.outcome.values)
            seconds[kind] = round(elapsed_s, 4)
        names = {kind: self.performer.comparers[kind].name for kind in kinds}
        return evidence, {"comparers": names, "compare_latency_s": seconds}

    async def _judged(self, evidence: Evidence, tier: int, question: Question) -> Evidence:
        """The evidence with the critic's verdict, where a signal relies on it."""
        signals = (*self.plan.free, *self.plan.buyable)
        if not evidence.greedy.is_complete or not any(one.needs.critique for one in signals):
            return evidence
        shown = evidence.passages
        queries = (question.question,) if shown else ()
        state = RunState(
            "", question.question, Budget(), tier=tier, passages=shown, round=int(bool(shown))
        )
        state.queries.extend(queries)
        request = critique_request(Outlook(self.plan, state), evidence, None)
        reply, _ = await self._perform(request, question)
        return with_outcome(evidence, request, reply.outcome)

    def _signals(
        self, evidence: Evidence, sample_cost: float
    ) -> tuple[Mapping[str, float | None], Mapping[str, float]]:
        signals: dict[str, float | None] = {}
        costs: dict[str, float] = {}
        for estimator in (*self.plan.free, *self.plan.buyable):
            signals[estimator.name] = None
            if evidence.greedy.is_complete and not missing_parts(estimator.needs, evidence):
                reading = read_safely(estimator, evidence)
                if isinstance(reading, Signal):
                    signals[estimator.name] = reading.value
            if estimator.needs.samples:  # comparing them costs time, and no money
                costs[estimator.name] = sample_cost
            elif estimator.needs.compare is not None:
                costs[estimator.name] = 0.0
        return signals, costs

    async def _perform(self, request: Request, question: Question) -> tuple[Reply, float]:
        began = self.clock()
        view = RunView(question.question)
        reply = await self.performer.perform(request, Session(), run=view)
        if isinstance(reply.outcome, Failure):
            raise _error(question, reply.outcome)
        return reply, self.clock() - began


def row_facts(
    plan: Plan, how: str, question: Question, tier: int, finish: str | None
) -> dict[str, Any]:
    """What stands in a row beside the outcome, so that `fit` can bind what it fits.

    Args:
        how: fingerprint of prompts and signal settings.
    """
    spec, signals = plan.tiers[tier], (*plan.free, *plan.buyable)
    price = spec.price
    return {
        "tier_name": spec.name,
        "price": None if price is None else {"input": price.input, "output": price.output},
        "group": {"topic": question.topic},
        "split": question.split,
        "finish_reason": finish,
        "bought": [estimator.name for estimator in plan.buyable],
        "estimators_fingerprint": how,
        "estimator_versions": {estimator.name: estimator.version for estimator in signals},
    }


def _error(question: Question, failure: Failure) -> RunError:
    return UpstreamUnavailable(
        f"question {question.id!r}: {failure.kind}: {failure.message}; the rows so far are kept, "
        "run the same command again to go on"
    )


def recorded_ids(out: Path, how: str) -> set[str]:
    """The questions that `out` holds whole; rows of a question broken off are cut off its end.

    Raises:
        BadInput: `out` is no recording, or was recorded under other settings; it is left as it was.
        StoreError: the broken-off rows cannot be cut off.
    """
    try:
        content = out.read_bytes()
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise BadInput(f"cannot be read: {error}", file=str(out)) from error
    rows: Counter[str] = Counter()
    done: set[str] = set()
    kept = position = 0
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        position += len(line)
        if not line.endswith(b"\n"):
            _check_beginning(line, out, number)
            break
        query_id, size = _recorded(line, how, out, number)
        rows[query_id] += 1
        if rows[query_id] == size:
            done.add(query_id)
            kept = position
    if kept < len(content):
        try:
            os.truncate(out, kept)
        except OSError as error:
            raise StoreError(f"{out} cannot be mended: {error}") from error
    return done


def _recorded(line: bytes, how: str, out: Path, number: int) -> tuple[str, int]:
    """Whose row a line is, and how many rows its question has."""
    try:
        row = json.loads(line)
        query_id, size, found = str(row["query_id"]), int(row[_ROWS]), row["estimators_fingerprint"]
    except (ValueError, TypeError, KeyError) as error:
        raise _no_recording(out, number) from error
    if found != how:
        raise BadInput(
            "was recorded with other prompts or signal settings; record into another file",
            file=str(out),
            line=number,
            field="estimators_fingerprint",
        )
    return query_id, size


def _check_beginning(line: bytes, out: Path, number: int) -> None:
    """Whether a line without an end can be the beginning of a row, and so may be cut off."""
    if line[: len(_BEGINNING)] != _BEGINNING[: len(line)]:
        raise _no_recording(out, number)


def _no_recording(out: Path, number: int) -> BadInput:
    return BadInput(
        "is no row of a recording; record into another file", file=str(out), line=number
    )


def _append(out: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    data = b"".join([json_line(row) for row in rows])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        size = out.stat().st_size if out.exists() else 0
        try:
            with out.open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            # A question is recorded whole or not at all, also on a full disk.
            os.truncate(out, size)
            raise
    except OSError as error:
        raise StoreError(f"{out} was not written: {error}; whole questions so far stay") from error
