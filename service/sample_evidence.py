"""A record that holds a bit of everything, on which any estimator of the catalogue can be tried."""

from __future__ import annotations

import math
from dataclasses import replace

from ..router.evidence import Alternative, CriticVerdict, Evidence, Generation, Passage, Token

__all__ = ["sample_evidence"]

_SAMPLES = ("Paris", "Paris", "Paris", "Lyon", "Paris", "Nice", "Paris", "Lyon")
_QUESTION = "What is the capital of France?"


def sample_evidence(asked: tuple[str, ...] = ()) -> Evidence:
    """One question with samples, matrices, passages, peers and answers to each kind of `asked`."""
    greedy = _generation(("Paris",))
    samples = tuple([_generation((text,)) for text in _SAMPLES])
    texts = ["Paris", *_SAMPLES]
    alike = tuple([tuple([1.0 if a == b else 0.3 for b in texts]) for a in texts])
    same, apart = (0.0, 0.0, 1.0), (0.6, 0.3, 0.1)
    judged = _generation(("True",), ("False",))
    record = Evidence(
        _QUESTION,
        greedy,
        samples=samples,
        passages=(Passage("1", "France", "Paris is the capital of France.", 1.0),),
        nli=tuple([tuple([same if a == b else apart for b in texts]) for a in texts]),
        greedy_similarity=alike[0][1:],
        sample_similarity=tuple([row[1:] for row in alike[1:]]),
        greedy_token_similarity=(0.4,),
        sample_token_similarity=((0.4,),) * len(samples),
        asked={kind: (judged, judged) for kind in asked},
        without_context=_generation(("Lyon",)),
        previous_answers=("Lyon", "Paris"),
        peers={"one": _generation(("Paris",)), "two": _generation(("Lyon",))},
        critique=CriticVerdict(0.7, 0.8),
    )
    return replace(record, alternatives_nli=((((same, same), (apart, apart), (apart, apart))),))


def _generation(pieces: tuple[str, ...], others: tuple[str, ...] = ("Rome", "Oslo")) -> Generation:
    tokens = []
    for piece in pieces:
        rest = [Alternative(other, math.log(0.1 / (i + 1))) for i, other in enumerate(others)]
        tokens.append(
            Token(piece, math.log(0.8), (Alternative(piece, math.log(0.8)), *rest), special=False)
        )
    return Generation("".join(pieces), tuple(tokens))
