"""An outcome table made by a formula, with answers that the confidence says something about."""

from __future__ import annotations

import json
import random
from pathlib import Path

QUESTIONS = 60


def write_outcomes(path: Path, *, models: tuple[str, str] | None = None, seed: int = 7) -> Path:
    """Two tiers, closed book and after one search; the second tier and passages make it easier.

    Without models it is a bare table, as one from elsewhere would be.
    """
    draw = random.Random(seed)
    lines = []
    for number in range(QUESTIONS):
        hardness = draw.random()
        for tier in (0, 1):
            for retrieved in (False, True):
                chance = min(0.98, max(0.02, 1.1 - hardness - 0.5 * (not (tier or retrieved))))
                row = {
                    "query_id": f"q{number}",
                    "tier": tier,
                    "round": int(retrieved),
                    "retrieved": retrieved,
                    "answer": f"answer {number}",
                    "loss": float(draw.random() > chance),
                    "cost": (1.0 + retrieved) * (10.0 if tier else 1.0) * 1e-6,
                    "latency_s": 0.1 + tier,
                    "signals": {
                        "perplexity": min(1.0, max(0.0, chance + draw.gauss(0.0, 0.1))),
                        "min_token_prob": draw.random(),
                    },
                }
                if models is not None:
                    row["model"] = models[tier]
                lines.append(json.dumps(row))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
