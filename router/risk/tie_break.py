"""The draw that decides among equal scores, the same offline and online."""

from __future__ import annotations

import hashlib

__all__ = ["tie_break"]

_BITS = 53  # as many as a float of [0, 1) keeps apart


def tie_break(seed: int, run_id: str) -> float:
    """u in [0, 1), uniform over run ids: a keyed hash, the same on every machine.

    Scores that are equal are ordered by it, so a gate may let any share of a block of ties pass.
    It knows nothing of the answer, so a guarantee for the randomized gate is one for its draws.

    Args:
        run_id: of the request; in an outcome table, the query id.
    """
    key = seed.to_bytes(16, "big", signed=True)
    digest = hashlib.blake2b(run_id.encode("utf-8", "surrogatepass"), digest_size=8, key=key)
    return (int.from_bytes(digest.digest(), "big") >> (64 - _BITS)) / (1 << _BITS)
