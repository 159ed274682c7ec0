"""Confidence in a structured answer or a call of a tool: that of its least sure field."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from ..evidence import Evidence, Generation
from ..hygiene import MISSING_TOKEN, NO_LOGPROBS, Checked, check
from ..json_fields import Span, field_spans
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable
from ..tool_calls import is_tool_call

__all__ = ["FieldConfidence"]

NOT_COVERED = Unavailable("logprobs do not cover the tool call")
NOT_CALLED = Unavailable("the tool is not called")
NO_FIELDS = Unavailable("there is no field whose value could be judged")
NOT_STRUCTURED = Unavailable("the answer is no JSON object")


@dataclass(frozen=True, slots=True)
class FieldConfidence:
    """The lowest confidence among the fields of a JSON object.

    A field's confidence is the geometric mean of the probabilities of the tokens that touch its
    values; names, quotes and brackets say little. `raw` and `value` are the lowest one, in [0, 1],
    higher is surer; each field's own is in the details. The object is the text of the answer, or
    else the arguments of the tools that it calls.

    Unavailable where there is no such object, it was cut off, it has no values, or the tokens do
    not spell it. Several calls of one tool are as sure as the least sure of them.

    The measure per token is that of `perplexity`; taking fields one by one keeps a long sure one
    from covering up a short unsure one.

    Attributes:
        tool: judge only the calls of this tool; None judges all calls, or the text.
    """

    tool: str | None = None

    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True)

    @property
    def name(self) -> str:
        """`field_confidence`, or `arguments:TOOL`."""
        return "field_confidence" if self.tool is None else f"arguments:{self.tool}"

    def estimate(self, evidence: Evidence) -> Reading:
        """The signal, or why there is none."""
        generation = evidence.greedy
        problem = self._problem(generation)
        if problem is not None:
            return problem
        checked = check(generation)
        if isinstance(checked, Unavailable):
            return checked
        found = self._fields(generation, checked)
        if isinstance(found, Unavailable):
            return found
        if not found:
            return NO_FIELDS
        least = min(found.values())
        return Signal(self.name, least, least, "confidence", dict(found))

    def _problem(self, generation: Generation) -> Unavailable | None:
        calls = generation.tool_calls
        if self.tool is not None and all(call.name != self.tool for call in calls):
            return NOT_CALLED
        if calls and not is_tool_call(generation):
            return NOT_COVERED  # tokens are those of the text beside
        if calls and not generation.tokens:
            return NO_LOGPROBS
        return None

    def _fields(self, generation: Generation, checked: Checked) -> dict[str, float] | Unavailable:
        """By field its confidence."""
        ends = list(accumulate(len(token.token) for token in checked.tokens))
        text = "".join([token.token for token in checked.tokens])
        found: dict[str, float] = {}
        after = 0
        for prefix, body, wanted in self._objects(generation):
            start = text.find(body, after)
            after = start + len(body)
            spans = field_spans(body)
            if start < 0:
                return NOT_COVERED
            if spans is None:
                return NOT_STRUCTURED
            for name, places in spans.items() if wanted else ():
                value = _confidence([(start + a, start + b) for a, b in places], checked, ends)
                if isinstance(value, Unavailable):
                    return value
                if value is not None:
                    found[prefix + name] = value
        return found

    def _objects(self, generation: Generation) -> Iterator[tuple[str, str, bool]]:
        """Prefix of the fields' names, the JSON, and whether it is to be judged, in order."""
        if not generation.tool_calls:
            yield "", generation.text.strip(), True
        for place, call in enumerate(generation.tool_calls):
            yield f"{place}.", call.arguments or "{}", self.tool in (None, call.name)


def _confidence(spans: list[Span], checked: Checked, ends: list[int]) -> float | Unavailable | None:
    """Of the tokens that touch one of the spans; None where none does."""
    logprobs = []
    begin = 0
    for end, logprob in zip(ends, checked.logprobs, strict=True):
        if any(begin < b and a < end for a, b in spans):
            if logprob is None:
                return MISSING_TOKEN
            logprobs.append(logprob)
        begin = end
    return math.exp(math.fsum(logprobs) / len(logprobs)) if logprobs else None
