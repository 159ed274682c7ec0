"""States from runs of several rounds that another system recorded, without asking any model.

A line is one run: `{"id", "question", "answers", "rounds": [{"answer", "rationale", "query",
"passages": [{"id", "title", "text", "score"}], "calls", "cost", "sufficient"}]}`. A round lists the
passages that it found, without those before; the first may be closed book.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from ..errors import BadInput
from ..evidence import Passage
from ..tables import read_lines
from .labels import label_answer
from .run_states import Gold
from .states import CriticState, StateRecord
from .states_file import parse_state

__all__ = ["read_recorded_runs"]


def read_recorded_runs(path: Path, gold: Mapping[str, Gold]) -> Iterator[StateRecord]:
    """The states of a file of recorded runs, in order.

    Args:
        gold: by id, for runs that do not bring their accepted answers and titles themselves.

    Raises:
        BadInput: the file cannot be read, or a line is no such run; names file, line and field.
    """
    seen: dict[str, int] = {}
    for number, row in read_lines(path):
        run = _Run(row, str(path), number)
        if run.id in seen:
            raise run.bad("id", f"{run.id!r} occurs in line {seen[run.id]} already")
        seen[run.id] = number
        yield from run.states(gold.get(run.id, Gold()))


class _Run:
    """One line."""

    def __init__(self, row: Mapping[str, Any], file: str, line: int) -> None:
        self._row, self._file, self._line = row, file, line
        found = row.get("id", row.get("thread_id"))
        if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
            raise self.bad("id", f"expected a text or a number, got {shown(found)}")
        self.id = str(found)

    def bad(self, field: str, message: str) -> BadInput:
        return BadInput(message, file=self._file, line=self._line, field=field)

    def states(self, known: Gold) -> Iterator[StateRecord]:
        gold = self._gold(known)
        rounds = self._row.get("rounds")
        if not isinstance(rounds, list) or not rounds:
            raise self.bad("rounds", f"expected an array of rounds, got {shown(rounds)}")
        passages: tuple[Passage, ...] = ()
        found_in: tuple[int, ...] = ()
        queries: tuple[str, ...] = ()
        earlier: tuple[str, ...] = ()
        searches = 0
        for at, one in enumerate(rounds):
            if not isinstance(one, Mapping):
                raise self.bad(f"rounds[{at}]", f"expected an object, got {shown(one)}")
            # Read as a line of a states file is, so that one set of rules holds for both.
            read = self._read(at, one)
            new = tuple(p for p in read.state.passages if p.id not in {q.id for q in passages})
            if at and not new:
                raise self.bad(
                    f"rounds[{at}].passages",
                    "expected passages that no round before it found; leave out a round without",
                )
            searches += bool(new)
            passages, found_in = (*passages, *new), (*found_in, *(searches,) * len(new))
            query = one.get("query") or ""
            if query and not isinstance(query, str):
                raise self.bad(f"rounds[{at}].query", f"expected a text, got {shown(query)}")
            queries = (*queries, query or self._question) if new else queries
            state = CriticState(
                self._question,
                read.state.answer,
                read.state.rationale,
                passages,
                searches,
                earlier,
                queries,
                found_in,
            )
            told = read.labels.sufficient
            sufficient = gold.sufficient(passages) if told is None else told
            labels = label_answer(state.answer, gold.answers, sufficient)
            extra = {name: one[name] for name in ("calls", "cost", "latency_s") if name in one}
            yield StateRecord(self.id, state, gold.answers, labels, extra)
            earlier = (*earlier, state.answer)

    @property
    def _question(self) -> str:
        found = self._row.get("question")
        if not isinstance(found, str) or not found.strip():
            raise self.bad("question", f"expected a text, got {shown(found)}")
        return found

    def _gold(self, known: Gold) -> Gold:
        answers = self._texts("answers") or self._texts("gold") or known.answers
        return Gold(answers, self._texts("gold_titles") or known.titles)

    def _texts(self, field: str) -> tuple[str, ...]:
        found = self._row.get(field)
        if found is None:
            return ()
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self.bad(field, f"expected an array of texts, got {shown(found)}")
        return tuple(found)

    def _read(self, at: int, one: Mapping[str, Any]) -> StateRecord:
        row = {
            "thread_id": self.id,
            "question": self._question,
            "answer": one.get("answer"),
            "rationale": one.get("rationale"),
            "passages": one.get("passages"),
            "label_sufficient": one.get("sufficient"),
        }
        try:
            return parse_state(row, self._file, self._line)
        except BadInput as error:
            field = "sufficient" if error.field == "label_sufficient" else error.field
            words = str(error).partition(": ")[2].partition(": ")[2]
            raise self.bad(f"rounds[{at}].{field}", words) from error
