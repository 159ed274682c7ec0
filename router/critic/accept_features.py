"""All features of whether an answer is right, by name; what has no meaning for a state is absent.

Agreement between rounds says most (one bit of it reaches an AUROC of .7), then the form of the
answer against the question's, the reasons, and the passages that bear it out. A text that claims
to be right is a text like any other.
"""

from __future__ import annotations

from .answer_agreement import agreement_features
from .answer_form import answer_features
from .answer_support import support_features
from .question_form import question_features
from .rationale_form import rationale_features
from .states import CriticState

__all__ = ["ACCEPT_FEATURES_VERSION", "accept_features"]

ACCEPT_FEATURES_VERSION = 1


def accept_features(state: CriticState) -> dict[str, float]:
    """Finite numbers. `augmented` is 0; training sets it on rows that it adds."""
    question, answer, previous = state.question, state.answer, state.previous_answers
    # The reasons were given for the first answer where they came with that one.
    explained = previous[0] if previous else answer
    return {
        **question_features(question),
        **answer_features(question, answer),
        **rationale_features(question, explained, state.rationale),
        **agreement_features(question, answer, state.rationale, previous),
        **support_features(state),
        "augmented": 0.0,
    }
