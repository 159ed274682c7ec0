"""What kind of answer a question asks for, by its words; and features of its form."""

from __future__ import annotations

import re
from typing import Literal

from .stems import STOP_STEMS

__all__ = ["QUESTION_KINDS", "QuestionKind", "named_options", "question_features", "question_kind"]

QuestionKind = Literal[
    "yesno", "when", "howmany", "where", "who", "which", "how", "why", "what", "other"
]

QUESTION_KINDS: tuple[QuestionKind, ...] = (
    "yesno",
    "when",
    "howmany",
    "where",
    "who",
    "which",
    "how",
    "why",
    "what",
    "other",
)

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_AUXILIARY = frozenset(
    "is are was were do does did has have had can could will would should am".split()
)
_ASKING: dict[str, QuestionKind] = {
    "who": "who",
    "whom": "who",
    "whose": "who",
    "where": "where",
    "which": "which",
    "how": "how",
    "why": "why",
    "what": "what",
}
_WHEN = re.compile(
    r"\bwhen\b|\b(?:what|which) (?:\w+ ){0,2}(?:year|date|day|month|century|decade|time)\b"
    r"|\byear\b[^?]*\?|date of (?:birth|death)"
)
_MANY = re.compile(
    r"\bhow (?:many|much|long|old|far|tall|big|large|high|often|fast|deep)\b"
    r"|\bwhat (?:\w+ )?(?:number|percent\w*|population|age|amount)\b|\bnumber of\b"
)
_RECENT = re.compile(r"\b(?:current|currently|now|latest|newest|next|recent|recently|today|last)\b")
_EXTREME = re.compile(r"\b(?:first|last|most|only|\w{3,}est)\b")
_COMPARING = re.compile(
    r"\b(?:same|both|earlier|later|older|younger|more|longer|larger|bigger|higher|or)\b"
)
_RELATIVE = re.compile(r"\b(?:that|which|who|whose|whom|where|when)\b")
_KIN = re.compile(
    r"\b(?:father|mother|wife|husband|spouse|son|daughter|grandfather|grandmother|child|sibling"
    r"|brother|sister|director|performer|composer|author|founder|creator|editor|producer"
    r"|birthplace|in-law)\b"
)
_YEAR = re.compile(r"\b(?:1\d{3}|20\d{2})\b")
_PREPOSITIONS = frozenset("of in by from for with to at on".split())
_LONGEST = 4_000
_LONGEST_OPTION = 14


def question_kind(question: str) -> QuestionKind:
    """The kind of answer that the question asks for; "other" where no word tells."""
    low = question[:_LONGEST].lower()
    tokens = _WORD.findall(low)
    if _WHEN.search(low):
        return "when"
    if _MANY.search(low):
        return "howmany"
    is_auxiliary = bool(tokens) and tokens[0] in _AUXILIARY
    if is_auxiliary and " or " not in low:
        return "yesno"
    for token in tokens:
        if token in _ASKING:
            return _ASKING[token]
    return "yesno" if is_auxiliary else "other"


def named_options(question: str) -> tuple[str, str] | None:
    """The two options of "..., A or B?", as written; None for other questions."""
    text = question[:_LONGEST].strip()
    head, found, tail = text.rpartition(" or ")
    if not found:
        return None
    parts = re.split(r"[,:;?]\s+", head)
    left = parts[-1].strip() if len(parts) > 1 else " ".join(head.split()[-3:])
    right = tail.strip().rstrip("?").strip()
    if not left or not right or len(right.split()) > _LONGEST_OPTION:
        return None
    return left, right


def question_features(question: str) -> dict[str, float]:
    """Counts and shares of the question's words; q_<kind> is 1 for its kind, else 0."""
    question = question[:_LONGEST]
    tokens, low = _WORD.findall(question), question.lower()
    content = [token for token in tokens if token.lower() not in STOP_STEMS]
    capitals = [token for token in tokens[1:] if token[0].isupper()]
    kind = question_kind(question)
    first_asks = bool(tokens) and question_kind(tokens[0]) != "other"
    found = {f"q_{one}": float(kind == one) for one in QUESTION_KINDS}
    return found | {
        "q_tokens": float(len(tokens)),
        "q_content": float(len(content)),
        "q_caps": float(len(capitals)),
        "q_cap_share": len(capitals) / max(1, len(content)),
        "q_digits": float(any(one.isdigit() for one in question)),
        "q_years": float(len(_YEAR.findall(question))),
        "q_commas": float(question.count(",")),
        "q_quoted": float(question.count('"') >= 2 or " '" in question),
        "q_of": float(low.count(" of ")),
        "q_possessive": float(low.count("'s") + low.count("\u2019s")),
        "q_relative": float(len(_RELATIVE.findall(low))),
        "q_kin": float(len(_KIN.findall(low))),
        "q_extreme": float(len(_EXTREME.findall(low))),
        "q_recent": float(bool(_RECENT.search(low))),
        "q_compare": float(bool(_COMPARING.search(low))),
        "q_options": float(named_options(question) is not None),
        "q_asks_late": float(bool(tokens) and not first_asks and kind != "other"),
        "q_word_len": sum(map(len, content)) / max(1, len(content)),
        "q_longest": float(max(map(len, content), default=0)),
        "q_prepositions": float(sum(token.lower() in _PREPOSITIONS for token in tokens)),
    }
