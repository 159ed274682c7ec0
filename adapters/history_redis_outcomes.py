"""Labels, outcomes and what they count for in the Redis history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..router.errors import StoreError
from ..router.feedback import Correctness, Feedback, JudgedOutcome, KeptOutcome
from ..router.histories import Page
from .history_format import SCHEMA, from_key_part, key_part, to_text
from .history_outcomes import (
    correctness_of,
    count_of,
    outcome_text,
    read_outcome,
    rung_of_part,
    rung_part,
)
from .history_redis_keys import Keys, model_part
from .history_redis_place import Place, packed
from .history_redis_scripts import COUNTS, HEADS, LABEL, MAX_VALUE_BYTES, OUTCOMES, VALUES

__all__ = ["ModelKeys", "RedisOutcomes"]

_TRIES = 8
_MODELS = 1000  # models and rungs of a tenant that are told


@dataclass(slots=True)
class ModelKeys:
    """The keys of the models that a script counts for, by the number that it knows them by."""

    keys: Keys
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, head: str) -> int:
        """Of the model that a row is counted for, from 1; 0 for a row that is not counted."""
        model, bar, _ = head.partition("|")
        return self.numbers.setdefault(model, len(self.numbers) + 1) if bar else 0

    def names(self) -> Iterable[str]:
        """Counts and counted outcomes of each."""
        for model in self.numbers:
            yield from (self.keys.of("c", model), self.keys.of("o", model))


@dataclass(frozen=True, slots=True)
class RedisOutcomes:
    """The labels and outcomes of all tenants."""

    place: Place

    async def label(self, tenant: str, feedback: Feedback) -> bool:
        """Keep a label as long as its run; False where its id is known."""
        place, keys, id = self.place, self.place.keys(tenant), key_part(feedback.run_id)
        text = to_text(feedback).encode()
        place.check_size(text)
        made = await place.link.script(
            LABEL,
            [keys.of("f", id), keys.of("g"), keys.of("r", id)],
            [id, key_part(feedback.id), place.now_us, place.ttl_ms, bytes([SCHEMA]), text],
        )
        return bool(made)

    async def labels(self, tenant: str, run_id: str) -> tuple[Feedback, ...]:
        """What was said of a run, in the order in which it came."""
        found = []
        for value in await self._values(self.place.keys(tenant).of("f", key_part(run_id))):
            head, _, text = value[1:].partition(b"\n")
            one = self.place.read(Feedback, value[:1] + text)
            if one is not None and head.isdigit():
                found.append((int(head), one))
        return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))

    async def _values(self, key: str) -> list[bytes]:
        return self.place.told(await self.place.link.script(VALUES, [key], [MAX_VALUE_BYTES]))

    async def keep(self, tenant: str, outcomes: Sequence[KeptOutcome]) -> None:
        """Keep or replace rows, and count them; those of one query in one step."""
        queries: dict[str, dict[str, KeptOutcome]] = {}
        for one in outcomes:
            queries.setdefault(one.query_id, {})[rung_part(one.rung)] = one
        for query_id, rows in queries.items():
            await self._keep(tenant, query_id, rows)

    async def _keep(self, tenant: str, query_id: str, rows: dict[str, KeptOutcome]) -> None:
        place, keys, id = self.place, self.place.keys(tenant), key_part(query_id)
        heads = {rung: _head(one) for rung, one in rows.items()}
        values = {rung: packed(f"{heads[rung]}\n{outcome_text(rows[rung])}") for rung in rows}
        for value in values.values():
            place.check_size(value)
        for _ in range(_TRIES):
            known = await self.heads(tenant, id)
            models = ModelKeys(keys)
            args: list[str | int | bytes] = []
            for rung, head in heads.items():
                was = known.get(rung, "")
                args += [rung, was, models.number(was), values[rung], head, models.number(head)]
                args.append(head.partition("|")[0])
            done = await place.link.script(
                OUTCOMES,
                [keys.of("p", id), keys.of("z"), keys.of("r", id), keys.of("j"), *models.names()],
                [id, place.now_us, place.ttl_ms, place.retention.max_outcomes, *args],
            )
            if done == 1:
                return
        raise StoreError(f"the rows of a query changed {_TRIES} times while they were written")

    async def heads(self, tenant: str, query: str) -> dict[str, str]:
        """Of each row of a query (a key part) what it is counted as, by rung."""
        found = await self.place.link.script(HEADS, [self.place.keys(tenant).of("p", query)])
        told = [text.decode() for text in found]
        return dict(zip(told[::2], told[1::2], strict=True))

    async def of(self, tenant: str, query_id: str) -> tuple[KeptOutcome, ...]:
        """The rows of a query, by rung."""
        found = []
        for value in await self._values(self.place.keys(tenant).of("p", key_part(query_id))):
            version, text = value[0] if value else None, value[1:].partition(b"\n")[2]
            one = read_outcome(version, text, self.place.failures)
            if one is not None:
                found.append(one)
        return tuple(sorted(found, key=lambda one: one.rung))

    async def page(self, tenant: str, limit: int, cursor: str | None) -> Page[KeptOutcome]:
        """All rows of some queries, by the time when they were written."""
        index = self.place.keys(tenant).of("z")
        page = await self.place.page_of_members(index, limit, cursor)
        found = [row for query_id in page.items for row in await self.of(tenant, query_id)]
        return Page(tuple(found), page.cursor)

    async def correctness(self, tenant: str, recent: int) -> Sequence[Correctness]:
        """By model and rung."""
        found = []
        for part in await self.place.first(self.place.keys(tenant).of("j"), _MODELS):
            one = await self._correctness(tenant, part, recent)
            if one is not None:
                found.append(one)
        return sorted(found, key=lambda one: (one.model, one.rung))

    async def _correctness(self, tenant: str, part: str, recent: int) -> Correctness | None:
        keys, place = self.place.keys(tenant), self.place
        reply = await place.link.script(
            COUNTS,
            [keys.of("c", part), keys.of("o", part)],
            [place.now_us, place.ttl_ms, max(0, recent)],
        )
        if reply == b"foreign":
            place.failures["foreign_type"] += 1
            return None
        counts, latest = reply
        numbers = {counts[i].decode(): int(counts[i + 1]) for i in range(0, len(counts), 2)}
        bins = {
            int(name[2:]): (n, numbers.get(f"ok:{name[2:]}", 0))
            for name, n in numbers.items()
            if name.startswith("n:") and n > 0
        }
        if not bins:
            return None
        model, _, rung = part.rpartition(":")
        judged = (_judged(member.decode()) for member in latest)
        return correctness_of(from_key_part(model), rung_of_part(rung), bins, judged)


def _head(outcome: KeptOutcome) -> str:
    """What a row is counted as: model and rung, query, bin, right, confidence, loss."""
    count = count_of(outcome)
    if count is None:
        return ""
    judged = count.judged
    confidence = "" if judged.confidence is None else repr(judged.confidence)
    model, query = model_part(count.model, count.rung), key_part(judged.query_id)
    return f"{model}|{query}|{count.bin}|{count.ok}|{confidence}|{judged.loss!r}"


def _judged(member: str) -> JudgedOutcome:
    query, _, _, confidence, loss = member.split("|")
    return JudgedOutcome(
        from_key_part(query), float(confidence) if confidence else None, float(loss)
    )
