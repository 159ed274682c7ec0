"""The estimators that can be named in a configuration."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConfigurationError
from ..protocols import Estimator
from .g_nll import GNll
from .lexical_support import LexicalSupport
from .mean_token_entropy import MeanTokenEntropy
from .min_token_prob import MinTokenProb
from .perplexity import Perplexity
from .probability_margin import ProbabilityMargin
from .self_consistency import SelfConsistency

__all__ = ["ALIASES", "Options", "estimator", "names"]


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set for all estimators at once; each takes what concerns it.

    Attributes:
        content_filter: look at content tokens only.
        samples: how many samples a sampling estimator asks for.
    """

    content_filter: bool = True
    samples: int = 5


_FACTORIES: dict[str, Callable[[Options], Estimator]] = {
    "g_nll": lambda _: GNll(),
    "lexical_support": lambda _: LexicalSupport(),
    "mean_token_entropy": lambda options: MeanTokenEntropy(options.content_filter),
    "min_token_prob": lambda options: MinTokenProb(options.content_filter),
    "perplexity": lambda options: Perplexity(options.content_filter),
    "probability_margin": lambda options: ProbabilityMargin(options.content_filter),
    "self_consistency": lambda options: SelfConsistency(options.samples),
}

ALIASES = {"label_prob": "self_consistency", "mean_logprob": "perplexity", "msp": "g_nll"}
"""Other published names, and the canonical name of the same formula."""

_DEFAULTS = Options()


def names() -> tuple[str, ...]:
    """The canonical names, in alphabetical order."""
    return tuple(sorted(_FACTORIES))


def estimator(name: str, options: Options = _DEFAULTS) -> Estimator:
    """The estimator of that name or alias; its signals carry the canonical name.

    Raises:
        ConfigurationError: there is none; says which name is nearest.
    """
    factory = _FACTORIES.get(ALIASES.get(name, name))
    if factory is None:
        raise ConfigurationError(_unknown(name), field="signals")
    return factory(options)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [*_FACTORIES, *ALIASES], n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known names: {', '.join(names())}"
    return f"no estimator is called '{name}'; {hint}"
