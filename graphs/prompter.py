"""Prompts from the text files in `prompts/`: what each tier is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from string import Template
from typing import Literal

from ..router.evidence import Passage, Refusal, Turn
from ..router.protocols import Message, Prompt
from ..router.requests import FOLLOW_UP_QUERY, STANDALONE_QUESTION, Ask

__all__ = [
    "PromptStyle",
    "TemplatePrompter",
    "prompts_fingerprint",
    "round_prompts_fingerprint",
    "step_prompts_fingerprint",
]

PromptStyle = Literal["few_shot", "chat", "reasoned"]
"""`few_shot` is plain text to complete, for small and base models; `chat` goes through the model's
own chat template; `reasoned` is `chat` with a line of reasons behind the answer."""

_NAMES = ("few_shot", "few_shot_passages", "chat", "chat_passages")
_ROUND_NAMES = (
    "reasoned",
    "reasoned_passages",
    "refused",
    "follow_up_query",
    "follow_up_query_few_shot",
    "standalone_question",
    "standalone_question_few_shot",
)
_STEP_NAMES = ("go_on",)

_LONGEST_NOTE = 200


@lru_cache(maxsize=16)
def _template(name: str) -> Template:
    text = files(__package__).joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")
    return Template(text.rstrip("\n"))


def prompts_fingerprint() -> str:
    """SHA-256 of the drafts' prompts: a profile fitted on others does not hold for these."""
    return _digest(_NAMES)


def round_prompts_fingerprint() -> str:
    """SHA-256 of the prompts that only reasons or several rounds of retrieval make use of."""
    return _digest(_ROUND_NAMES)


def step_prompts_fingerprint() -> str:
    """SHA-256 of the prompt by which a tier goes on from another's draft."""
    return _digest(_STEP_NAMES)


def _digest(names: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        digest.update(_template(name).template.encode())
    return digest.hexdigest()


def _line(text: str) -> str:
    """The text on one line: a line break is what ends a question and an answer in few-shot."""
    return " ".join(text.split())


def _notes(passages: Sequence[Passage]) -> str:
    return "\n".join(_line(passage.text) for passage in passages)


def _cut(text: str) -> str:
    """On one line, and no longer than a note may be."""
    return _line(text)[:_LONGEST_NOTE]


def _earlier(turns: Sequence[Turn]) -> str:
    return "".join(
        f"Question: {_line(turn.question)}\nAnswer: {_line(turn.answer)}\n\n" for turn in turns
    )


class TemplatePrompter:
    """Fills the prompt files; a `Prompter` and a `RoundPrompter`.

    Args:
        styles: one a tier.
    """

    def __init__(self, styles: tuple[PromptStyle, ...]) -> None:
        self._styles = styles

    def prompt(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> Prompt:
        """What tier `tier` is shown for this question."""
        style = self._styles[tier]
        template = _template(f"{style}_passages" if passages else style)
        question = _line(question)
        notes = _notes(passages)
        if style != "few_shot":
            return self._chat(template.substitute(passages=notes), question, turns)
        text = template.substitute(passages=notes, question=question, turns=_earlier(turns))
        return Prompt(text, stop=("\n",))

    def retry(
        self,
        tier: int,
        refused: Refusal,
        question: str,
        passages: Sequence[Passage],
        turns: Sequence[Turn],
    ) -> Prompt:
        """The draft's prompt, and in a chat that the answer before was refused, and why.

        A model that completes text is told nothing: it would take the refused answer for the one
        to give.
        """
        prompt = self.prompt(tier, question, passages, turns)
        if not prompt.messages:
            return prompt
        system, *others = prompt.messages
        gap = "" if refused.gap is None else f" {_cut(refused.gap)}"
        note = _template("refused").substitute(answer=_cut(refused.answer), gap=gap)
        return Prompt(messages=(Message("system", f"{system.content}\n\n{note}"), *others))

    def go_on(
        self,
        tier: int,
        begun: str,
        question: str,
        passages: Sequence[Passage],
        turns: Sequence[Turn],
    ) -> Prompt:
        """The draft's prompt with the beginning: before the text to complete, or told in a chat."""
        prompt = self.prompt(tier, question, passages, turns)
        if not prompt.messages:
            return Prompt(f"{prompt.text} {begun.rstrip()}", stop=prompt.stop)
        system, *others = prompt.messages
        note = _template("go_on").substitute(begun=begun.strip())
        return Prompt(messages=(Message("system", f"{system.content}\n\n{note}"), *others))

    def ask(self, tier: int, request: Ask, question: str, turns: Sequence[Turn]) -> Prompt | None:
        """What a tier is asked for words to search for; None for another kind of question."""
        if request.kind not in (FOLLOW_UP_QUERY, STANDALONE_QUESTION):
            return None
        question = _line(question)
        blanks = {
            "question": question,
            "earlier_question": _line(turns[-1].question) if turns else "",
            "earlier_answer": _line(turns[-1].answer) if turns else "",
            "passages": _notes(request.passages),
            "queries": "; ".join(_cut(query) for query in request.queries),
            "answer": _cut(request.answer),
            "gap": "" if request.gap is None else f"\nMissing: {_cut(request.gap)}",
        }
        if self._styles[tier] == "few_shot":
            blanks["passages"] = " ".join(_notes(request.passages).split())
            text = _template(f"{request.kind}_few_shot").substitute(blanks)
            return Prompt(text, stop=("\n",))
        shown = turns if request.kind == STANDALONE_QUESTION else ()
        return self._chat(_template(request.kind).substitute(blanks), question, shown)

    def _chat(self, system: str, question: str, turns: Sequence[Turn]) -> Prompt:
        messages = [Message("system", system)]
        for turn in turns:
            messages += [Message("user", turn.question), Message("assistant", turn.answer)]
        return Prompt(messages=(*messages, Message("user", question)))
