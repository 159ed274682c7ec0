"""The critic as a LangChain decision model, for middleware and chains that ask one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Literal, get_args

from ..router.critic.critics import Critic, CriticService
from ..router.critic.states import CriticState
from ..router.errors import ConfigurationError, UsageError
from ..router.evidence import CriticVerdict
from .critic_asking import CriticAsker, checked_threshold
from .critic_reading import Read, StateReader

__all__ = ["NEEDED_CORE", "NOULS", "By", "TwoWay", "critic_decision_model"]

NEEDED_CORE = "1.8"
"""The first version of langchain-core that has decision models."""

By = Literal["accept", "sufficient"]
"""What an answer goes by: `p_accept` or `p_sufficient`."""

NOULS: Mapping[str, By] = MappingProxyType({"accept": "accept", "sufficient": "sufficient"})
"""The yes/no questions that the critic knows by their id, unless it is told others."""


@dataclass(frozen=True, slots=True)
class TwoWay:
    """How the critic answers a `Choice` between two labels.

    Attributes:
        yes: the label for p, and `no` the one for 1 - p.
        by: which probability p is.
        threshold: `yes` is chosen from this p on, in [0, 1]. At 0.5, the likelier label is; that is
            no more calibrated for your states than p is.
    """

    yes: str
    no: str
    by: By = "accept"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        checked_threshold(self.threshold)
        _check_by(self.by)
        if self.yes == self.no:
            raise ConfigurationError(f"expected two labels, got '{self.yes}' twice")


_Plan = dict[str, By | TwoWay]


def critic_decision_model(
    critic: Critic | CriticService,
    *,
    read: Read | None = None,
    nouls: Mapping[str, By] = NOULS,
    choices: Mapping[str, TwoWay] | None = None,
) -> Any:
    """The critic as a `CriticDecisionModel`, a `BaseDecisionModel` of langchain-core 1.8 and later.

    A critic does not read instructions: what a question means is told by its id. A `Noul` named
    "accept" is answered with `p_accept`, one named "sufficient" with `p_sufficient`; a `Choice` is
    answered where `choices` says how. Any other question raises UsageError before anything is
    judged, since no number could be given that is not made up. An answer that does not exist is
    acceptable with probability 0. A critic that fails raises its RunError.

    Args:
        read: from the request's state to what is judged, sync and quick, or async. By default a
            `StateReader`: a dict of question, answer and documents, messages, or a bare question.
            LangChain's model router passes the last human message alone; to route by whether
            documents suffice, read it and search here.
        nouls: what to answer `Noul` questions with, by id; replaces the two above.
        choices: how to answer `Choice` questions, by id.

    Raises:
        ConfigurationError: the installed langchain-core has no decision models, or what a question
            goes by is none of the two probabilities.
    """
    for by in nouls.values():
        _check_by(by)
    asker = CriticAsker(critic, StateReader() if read is None else read)
    answering = _Answering(asker, dict(nouls), dict(choices or {}))
    model = _model_class(_decisions())(model=asker.version)
    model._answering = answering
    return model


@dataclass(frozen=True, slots=True)
class _Answering:
    """A critic, and which questions it has answers to."""

    asker: CriticAsker
    nouls: Mapping[str, By]
    choices: Mapping[str, TwoWay]

    def sync(self, state: Any, questions: Mapping[str, Any]) -> dict[str, Any]:
        """A response as plain values."""
        plan = self._plan(questions)
        return self._response(plan, *self.asker.judge_sync(state))

    async def when_judged(self, state: Any, questions: Mapping[str, Any]) -> dict[str, Any]:
        """As `sync`."""
        plan = self._plan(questions)
        return self._response(plan, *await self.asker.judge(state))

    def _plan(self, questions: Mapping[str, Any]) -> _Plan:
        if not questions:
            raise UsageError("questions: expected at least one, got none")
        return {name: self._how(name, question) for name, question in questions.items()}

    def _how(self, name: str, question: Any) -> By | TwoWay:
        kind = getattr(question, "type", None)
        if kind == "noul":
            if name not in self.nouls:
                raise _unknown(name, "nouls", self.nouls)
            return self.nouls[name]
        if kind == "choice":
            if name not in self.choices:
                raise _unknown(name, "choices", self.choices)
            return _fitting(name, self.choices[name], question.criteria)
        shown = kind if isinstance(kind, str) else type(question).__name__
        raise UsageError(
            f"question '{name}': a critic answers Noul and Choice questions, and this is a {shown}"
        )

    def _response(self, plan: _Plan, state: CriticState, verdict: CriticVerdict) -> dict[str, Any]:
        answers = {name: _answer(name, how, state, verdict) for name, how in plan.items()}
        return {"model": verdict.version or self.asker.version, "answers": answers}


def _check_by(by: str) -> None:
    if by not in get_args(By):
        raise ConfigurationError(f"expected 'accept' or 'sufficient', got {by!r}")


def _unknown(name: str, argument: str, known: Mapping[str, object]) -> UsageError:
    names = ", ".join(f"'{one}'" for one in known) or "none"
    return UsageError(
        f"question '{name}': the critic does not read instructions and knows questions by their "
        f"id ({names}); say what this one means with {argument}={{'{name}': ...}}"
    )


def _fitting(name: str, how: TwoWay, criteria: Mapping[str, object]) -> TwoWay:
    if set(criteria) != {how.yes, how.no}:
        raise UsageError(
            f"question '{name}': the critic chooses between '{how.yes}' and '{how.no}', and the "
            f"labels are {', '.join(repr(one) for one in criteria)}"
        )
    return how


def _answer(
    name: str, how: By | TwoWay, state: CriticState, verdict: CriticVerdict
) -> dict[str, Any]:
    if not isinstance(how, TwoWay):
        return {"type": "noul", "noul": _probability(name, how, state, verdict)}
    p = _probability(name, how.by, state, verdict)
    is_yes = p >= how.threshold and not (how.by == "accept" and not state.answer.strip())
    return {
        "type": "choice",
        "choice": how.yes if is_yes else how.no,
        "probabilities": {how.yes: p, how.no: 1.0 - p},
        "confidence": p if is_yes else 1.0 - p,
    }


def _probability(name: str, by: By, state: CriticState, verdict: CriticVerdict) -> float:
    if by == "sufficient":
        return float(verdict.p_sufficient)
    if not state.answer.strip():
        return 0.0  # no estimate: nothing is there that could be right
    if verdict.p_accept is None:
        raise ConfigurationError(
            f"question '{name}': {verdict.version} judges passages alone; ask it whether they are "
            "sufficient, or configure a critic that judges answers"
        )
    return float(verdict.p_accept)


@cache
def _model_class(decisions: Any) -> Any:
    """The class, made once its base is there."""
    from pydantic import PrivateAttr

    base = decisions.BaseDecisionModel

    class CriticDecisionModel(base):  # type: ignore[misc, valid-type]  # absent before 1.8
        """Answers questions about a state by what a critic says of it."""

        _answering: _Answering = PrivateAttr()

        @property
        def _provider(self) -> str:
            return "surefoot"

        def _classify(self, state: Any, questions: dict[str, Any]) -> Any:
            found = self._answering.sync(state, questions)
            return decisions.ClassifierResponse.model_validate(found)

        async def _aclassify(self, state: Any, questions: dict[str, Any]) -> Any:
            found = await self._answering.when_judged(state, questions)
            return decisions.ClassifierResponse.model_validate(found)

    return CriticDecisionModel


def _decisions() -> Any:
    """The module of decision models. Raises ConfigurationError where there is none."""
    try:
        found = import_module("langchain_core.decisions")
        _ = found.BaseDecisionModel, found.ClassifierResponse
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"decision models need langchain-core {NEEDED_CORE} or later, and "
            f"{version('langchain-core')} is installed; install it with: "
            f"pip install -U 'langchain-core>={NEEDED_CORE}'"
        ) from error
    return found
