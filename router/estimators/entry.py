"""How an estimator is listed: what it is called, how it is made, where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..protocols import Estimator

__all__ = ["Entry", "Family", "Options"]

Family = Literal["tokens", "samples", "semantic", "around"]
"""What an estimator looks at: one generation's tokens, several samples, their meanings, or what
stands around the answer (passages, earlier answers, other models, questions about it)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set for all estimators at once; each takes what concerns it.

    Attributes:
        content_filter: look at content tokens only.
        samples: how many samples a sampling estimator asks for.
    """

    content_filter: bool = True
    samples: int = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue.

    Attributes:
        name: canonical, in lower case with underscores.
        make: the estimator under these options.
        summary: what its number is, in a few words.
        source: author, year and arXiv number or venue; "ours" where there is no paper.
        compatible_with: the library whose formula this is, bug for bug; such a variant is never in
            a default set.
    """

    name: str
    make: Callable[[Options], Estimator]
    family: Family
    summary: str
    source: str
    compatible_with: str | None = None
