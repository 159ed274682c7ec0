"""All features of whether passages suffice, by name; what has no meaning for a state is absent.

Nothing here knows a language model, a label or the corpus: question, titles, texts and scores are
all. So it works on any retriever's passages, in half a millisecond a state.
"""

from __future__ import annotations

from dataclasses import replace

from .coverage_features import coverage_features, phrase_features
from .link_features import cue_features, link_features
from .score_features import score_features
from .state_view import view_of
from .states import CriticState
from .title_features import form_features, title_features

__all__ = ["SUFFICIENCY_FEATURES_VERSION", "sufficiency_features"]

SUFFICIENCY_FEATURES_VERSION = 1

_GROUPS = (
    form_features,
    title_features,
    coverage_features,
    link_features,
    cue_features,
    phrase_features,
    score_features,
)
_MOST_PASSAGES = 64


def sufficiency_features(state: CriticState) -> dict[str, float]:
    """Finite numbers; of more than 64 passages the first are looked at."""
    view = view_of(replace(state, passages=state.passages[:_MOST_PASSAGES]))
    found: dict[str, float] = {}
    for group in _GROUPS:
        found |= group(view)
    return found
