"""What the loop may ask of the world, and what the world may reply: two closed unions.

Every request says what it is expected to use (`forecast`) and how long it may take (`timeout_s`,
seconds, None without a deadline). Every reply says what it really used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .budget import NOTHING, Forecast
from .decisions import Attempt, Result
from .evidence import CriticVerdict, Generation, Passage, Refusal, Token, Turn

__all__ = [
    "FOLLOW_UP_QUERY",
    "STANDALONE_QUESTION",
    "Ask",
    "Asked",
    "Compare",
    "CompareKind",
    "Compared",
    "Continue",
    "Critique",
    "Critiqued",
    "Draft",
    "Drafted",
    "Failure",
    "Outcome",
    "Partial",
    "PrefixVerdict",
    "Recall",
    "Recalled",
    "Record",
    "Recorded",
    "Repeat",
    "Reply",
    "Request",
    "Retrieve",
    "Retrieved",
    "Sample",
    "Sampled",
    "Stop",
]

FOLLOW_UP_QUERY = "follow_up_query"
"""Kind of `Ask`: what to search for next, after an answer was refused."""

STANDALONE_QUESTION = "standalone_question"
"""Kind of `Ask`: the question in words that need no earlier turn."""

CompareKind = Literal["similarity", "nli"]
"""How two texts are compared: one similarity in [0, 1], or (contradiction, neutral, entailment)."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Fetch the conversation so far, and whether this question was answered before."""

    question: str
    forecast: Forecast = NOTHING
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """One answer by one tier from these passages.

    Attributes:
        refused: the critic's refusal of the answer before this one.
        begun: how the answer begins, as lower tiers wrote it, to go on from; "" for a whole one.
    """

    tier: int
    passages: tuple[Passage, ...] = ()
    forecast: Forecast = NOTHING
    timeout_s: float | None = None
    refused: Refusal | None = None
    begun: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """`n` further answers to the same prompt, drawn at a temperature."""

    tier: int
    n: int
    passages: tuple[Passage, ...] = ()
    forecast: Forecast = NOTHING
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """One question put to a tier: about the answer (p_true, verbalized, judge, opposition, ...), or
    for words to search for (`FOLLOW_UP_QUERY`, `STANDALONE_QUESTION`).

    Attributes:
        gap: what the critic missed in the passages, in words.
        queries: what was searched for so far.
    """

    kind: str
    tier: int
    answer: str
    passages: tuple[Passage, ...] = ()
    forecast: Forecast = NOTHING
    timeout_s: float | None = None
    gap: str | None = None
    queries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare:
    """Compare texts pair by pair; duplicates are already removed."""

    pairs: tuple[tuple[str, str], ...]
    kind: CompareKind
    forecast: Forecast = NOTHING
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Retrieve:
    """The `k` best passages for a query."""

    query: str
    k: int
    forecast: Forecast = NOTHING
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Critique:
    """The local critic's judgement of an answer in the light of its passages.

    The fields are those of a state (see `surefoot.router.critic.states`).
    """

    answer: str
    passages: tuple[Passage, ...] = ()
    forecast: Forecast = NOTHING
    timeout_s: float | None = None
    rationale: str = ""
    round: int = 0
    previous_answers: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    found_in: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """Keep how the run ended."""

    result: Result
    forecast: Forecast = NOTHING
    timeout_s: float | None = None


Request = Recall | Draft | Sample | Ask | Compare | Retrieve | Critique | Record
"""Everything that the loop may ask for."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """An earlier run that answered the same question under the same fingerprint."""

    run_id: str
    asked_at: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the history knows: earlier turns to show (oldest first), and an equal question's run."""

    turns: tuple[Turn, ...] = ()
    repeat: Repeat | None = None


@dataclass(frozen=True, slots=True)
class Drafted:
    """The draft."""

    generation: Generation


@dataclass(frozen=True, slots=True)
class Sampled:
    """The samples, in the order drawn; with fewer than asked for, the signal is Unavailable."""

    generations: tuple[Generation, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said about the answer."""

    generations: tuple[Generation, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One tuple a pair, in order: one number for `similarity`, three for `nli`."""

    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages found, best first; none is a valid reply.

    Attributes:
        degraded: what of the search does not work as configured at present, in words.
    """

    passages: tuple[Passage, ...]
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Critiqued:
    """The critic's judgement.

    Attributes:
        degraded: why it is worth less than it was made to be, in words.
    """

    verdict: CriticVerdict
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """The run is kept."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The request could not be met. `kind` is an error's kind (`unavailable`, `deadline`, ...)."""

    kind: str
    message: str


Outcome = (
    Recalled | Drafted | Sampled | Asked | Compared | Retrieved | Critiqued | Recorded | Failure
)
"""Everything that the world may reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An outcome with what it really used.

    Attributes:
        cost: in the deployment's currency; None where the price is unknown.
        elapsed_s: seconds since the previous reply (or the start), the loop's own time included.
        calls: model calls made, failed ones included.
        tokens: input and output tokens.
        tokens_out: those of them that were written.
        degraded: what did not go as it should on the way, in words.
    """

    outcome: Outcome
    cost: float | None = 0.0
    elapsed_s: float = 0.0
    calls: int = 0
    tokens: int = 0
    degraded: tuple[str, ...] = ()
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Partial:
    """The tokens of a draft so far, fed while it is being written."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on with the draft.

    Attributes:
        release: what was written so far may be shown, and what follows as it comes: the draft will
            be the answer.
        note: why the draft is judged less than it was configured to be, in words.
        reason: why it may be shown, in words.
        show: of a draft that is being shown, the text that was not shown before.
    """

    release: bool = False
    note: str = ""
    reason: str = ""
    show: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the draft: it is not worth finishing.

    Attributes:
        keep: how many of the tokens, from the first on, are worth being gone on from.
    """

    reason: str
    keep: int = 0


PrefixVerdict = Continue | Stop
"""The answer to a `Partial`."""
