"""Where everything lies in the Redis history, and what a run's facts look like.

Every part of a key is percent-encoded, so that no id can forge a separator or a hash tag. The hash
tag is the tenant, so everything that one script touches lies on one Cluster slot::

    sf:h:{tenant}:thread       LIST    turns of a conversation, oldest first
    sf:t:{tenant}:thread       ZSET    ids of these turns, by number, the higher the later
    sf:k:{tenant}              ZSET    threads that have turns, by time of the latest
    sf:r:{tenant}:run          STRING  a run, without its evidence
    sf:s:{tenant}              ZSET    runs by time, no two at the same
    sf:m:{tenant}              HASH    facts of each of these runs, to filter and to erase by
    sf:d:{tenant}:thread       ZSET    runs of a thread, by the same time
    sf:u:{tenant}:user         ZSET    runs of a user, by the same time
    sf:y:{tenant}:user         ZSET    threads that a user has turns in
    sf:v:{tenant}              ZSET    users, by time of the latest
    sf:q:{tenant}:digest       STRING  the latest answer to a question
    sf:a:{tenant}:run          HASH    evidence by attempt
    sf:w:{tenant}              ZSET    runs that have evidence, by time of the latest
    sf:f:{tenant}:run          HASH    labels by id
    sf:g:{tenant}              ZSET    runs that have labels, by time of the latest
    sf:p:{tenant}:query        HASH    rows of an outcome table by rung
    sf:z:{tenant}              ZSET    queries that have rows, by time of the latest
    sf:c:{tenant}:model:rung   HASH    how many outcomes, and how many right ones, by bin
    sf:o:{tenant}:model:rung   ZSET    the outcomes that are counted, by time
    sf:j:{tenant}              ZSET    models and rungs that have any, by time of the latest

Times are microseconds since the epoch. The first byte of a value is its schema version. A question
stands in no key: its digest does.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from ..router.decisions import Rung
from ..router.histories import microseconds
from ..router.protocols import RunRecord
from ..router.text import question_key
from .history_format import key_part, key_part_or_none
from .history_outcomes import rung_part

__all__ = [
    "Facts",
    "Keys",
    "digest_of",
    "facts_of",
    "milliseconds",
    "model_part",
    "read_facts",
    "write_facts",
]


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of a tenant; ids are given as key parts, but for a question's."""

    prefix: str
    tenant: str

    def of(self, kind: str, *parts: str) -> str:
        """The key of a kind; without parts that of an index."""
        return ":".join((f"{self.prefix}:{kind}:{{{key_part(self.tenant)}}}", *parts))


def digest_of(question: str, fingerprint: str) -> str:
    """A question and what an answer to it hangs on, in 32 hexadecimal digits."""
    asked = f"{question_key(question)}\n{fingerprint}"
    return hashlib.blake2b(asked.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a run without reading it.

    Attributes:
        at_us: when it ended; None where it does not say.
        thread, user: key parts.
        digest: of the question that it can be the repeat of.
    """

    action: str
    at_us: int | None
    thread: str | None
    user: str | None
    digest: str


def facts_of(run: RunRecord) -> Facts:
    """The facts of a run."""
    result = run.result
    return Facts(
        result.action.value,
        microseconds(run.at),
        key_part_or_none(run.thread),
        key_part_or_none(run.user),
        digest_of(result.question, run.fingerprint),
    )


def write_facts(facts: Facts) -> str:
    """One line; no part holds a bar, and none of them is empty but for None."""
    at = "" if facts.at_us is None else str(facts.at_us)
    return "|".join((facts.action, at, facts.thread or "", facts.user or "", facts.digest))


def read_facts(line: bytes | None) -> Facts | None:
    """What `write_facts` wrote; None for anything else."""
    try:
        action, at, thread, user, digest = (line or b"").decode("ascii").split("|")
        return Facts(action, int(at) if at else None, thread or None, user or None, digest)
    except ValueError:
        return None


def model_part(model: str, rung: Rung) -> str:
    """A model on a rung, as a part of two."""
    return f"{key_part(model)}:{rung_part(rung)}"


def milliseconds(seconds: float) -> int:
    """For an expiry; 0 means none."""
    return 0 if math.isinf(seconds) else max(1, round(seconds * 1000))
