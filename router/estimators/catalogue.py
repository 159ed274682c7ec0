"""The estimators that can be named in a configuration and on the command line."""

from __future__ import annotations

import difflib

from ..errors import ConfigurationError
from ..protocols import Estimator
from .entries_around import AROUND
from .entries_given import GIVEN_TOKENS
from .entries_samples import SAMPLES
from .entries_semantic import SEMANTIC
from .entries_tokens import TOKENS
from .entry import Entry, Family, Options

__all__ = ["ALIASES", "CATALOGUE", "Entry", "Family", "Options", "entry", "estimator", "names"]

CATALOGUE: dict[str, Entry] = {
    entry.name: entry for entry in (*TOKENS, *GIVEN_TOKENS, *SAMPLES, *SEMANTIC, *AROUND)
}
"""Every estimator by its canonical name, family by family."""

ALIASES = {
    "deepconf_mean": "deepconf_token_mean",
    "label_prob": "self_consistency",
    "mean_logprob": "perplexity",
    "msp": "g_nll",
}
"""Other published names, and the canonical name of the estimator that ranks alike."""

_DEFAULTS = Options()


def names() -> tuple[str, ...]:
    """The canonical names, in alphabetical order."""
    return tuple(sorted(CATALOGUE))


def entry(name: str) -> Entry:
    """What is known of the estimator of that name or alias.

    Raises:
        ConfigurationError: there is none; says which name is nearest.
    """
    found = CATALOGUE.get(ALIASES.get(name, name))
    if found is None:
        raise ConfigurationError(_unknown(name), field="signals")
    return found


def estimator(name: str, options: Options = _DEFAULTS) -> Estimator:
    """The estimator of that name or alias; its signals carry the canonical name.

    Raises:
        ConfigurationError: there is none; says which name is nearest.
    """
    return entry(name).make(options)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [*CATALOGUE, *ALIASES], n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else "`surefoot estimators` lists them"
    return f"no estimator is called '{name}'; {hint}"
