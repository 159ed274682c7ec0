"""Logged traffic of a certified profile: served through the loop, audited by the keyed draw."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from surefoot.policies.audit import AuditPlan, draw
from surefoot.policies.outcomes import Outcome, OutcomeTable, outcome_row
from surefoot.policies.profile import Profile, load_profile
from surefoot.policies.replay import replayer_of
from surefoot.router.decisions import Action, Rung

PLAN = AuditPlan(share=0.25, escalated_share=0.1)
MINUTE_S = 60.0


@dataclass(frozen=True)
class World:
    """Two tiers; the small one's score says how likely it is to be right.

    Attributes:
        worse: added to P(wrong) of the small tier, whatever its score.
        surer: added to the logit of its score, whatever it is worth.
    """

    worse: float = 0.0
    surer: float = 0.0

    def rows(self, query_id: str, rng: random.Random) -> list[Outcome]:
        z = rng.gauss(0.0, 1.5)
        right = 1.0 / (1.0 + math.exp(-(1.25 + z)))
        noisy = math.log(right / (1.0 - right)) + 0.5 * rng.gauss(0.0, 1.0) + self.surer
        score = 1.0 / (1.0 + math.exp(-noisy))
        small = float(rng.random() >= right - self.worse)
        large = float(rng.random() >= 0.93)
        return [
            Outcome(query_id, 0, 0, False, "a", small, 1.0, 0.2, {"s": score}),
            Outcome(query_id, 1, 0, False, "b", large, 10.0, 0.9, {}),
        ]


def questions(n: int, world: World, *, seed: int, first: int = 0) -> list[Outcome]:
    """All rows of `n` questions."""
    rng = random.Random(f"{seed} {first}")
    return [row for at in range(first, first + n) for row in world.rows(f"q{at:06}", rng)]


def write(path: Path, rows: Iterable[Outcome]) -> Path:
    path.write_text("".join(json.dumps(outcome_row(row)) + "\n" for row in rows))
    return path


def certified_at(profile: Path) -> float:
    certificate = load_profile(profile).certificate
    assert certificate is not None and certificate.date is not None
    return datetime.fromisoformat(certificate.date).timestamp()


def logged(
    path: Path,
    n: int,
    world: World,
    *,
    seed: int = 0,
    first: int = 0,
    labels: bool = True,
    plan: AuditPlan = PLAN,
    **extra: Any,
) -> list[Outcome]:
    """What is logged of `n` requests under a profile, one a minute from its certificate on."""
    profile, begin = load_profile(path), certified_at(path)
    made = questions(n, world, seed=seed, first=first)
    table = OutcomeTable(
        {row.query_id: {Rung(r.tier, 0, False): r for r in made[2 * at : 2 * at + 2]}
         for at, row in enumerate(made[::2])}
    )  # fmt: skip
    found = []
    for number, ladder in enumerate(_served(table, profile, plan, labels=labels)):
        ts = begin + MINUTE_S * (first + number + 1)
        found += [replace(row, extra={**row.extra, "ts": ts, **extra}) for row in ladder]
    return found


def _served(
    table: OutcomeTable, profile: Profile, plan: AuditPlan, *, labels: bool
) -> Iterator[list[Outcome]]:
    replayer = replayer_of(table, profile)
    for query_id in table.queries:
        result = replayer.replay(query_id)
        ladder = []
        for attempt in result.attempts:
            row = table.row(query_id, attempt.rung)
            assert row is not None
            is_served = result.best is not None and attempt.id == result.best.id
            is_served = is_served and result.action is Action.ANSWER
            action = Action.ANSWER if is_served else Action.ESCALATE
            rate = plan if row.tier == 0 else AuditPlan(share=plan.pi_min)
            drawn = draw(rate, query_id, action, row.signals.get("s"), secret="k")
            told = {
                "served": is_served,
                "gated": is_served and result.gated,
                "action": action.value,
            }
            loss = row.loss if drawn.audited and labels else None
            ladder.append(replace(row, loss=loss, extra={**told, **drawn.fields()}))
        yield ladder
