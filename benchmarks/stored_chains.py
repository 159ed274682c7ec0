"""Certificates, quality targets and nAUC on stored outcomes of real models, train against test.

    python benchmarks/stored_chains.py [FOLDER]

FOLDER holds the routing tables (default ../shared/data/routing); without it there is nothing to do.
Everything is chosen on the train split and judged on the test split. A certified selective risk, a
quality target of 95 %, and the nAUC of the way that the quality target chose, on 12 pairs of tiers.
"""

from __future__ import annotations

import gzip
import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path

from surefoot.policies.choosing import AUTOMATIC
from surefoot.policies.fit_certified import Promise, fit_certified
from surefoot.policies.fit_target import fit_target
from surefoot.policies.outcomes import Outcome, OutcomeTable
from surefoot.policies.policy_curve import policy_curve
from surefoot.policies.prices import default_prices
from surefoot.policies.profile import Profile
from surefoot.policies.replay import serve_table
from surefoot.policies.table_facts import fit_settings
from surefoot.policies.targets import QualityKept
from surefoot.router.decisions import Rung
from surefoot.router.risk.targets import RiskTarget
from surefoot.router.signals import Unavailable

PAIRS = ((0, 3), (1, 3), (2, 3), (1, 4), (2, 4), (3, 4))


def rows(path: Path) -> list[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def pair(
    table: list[dict[str, object]], prompts: dict[object, str], small: int, large: int
) -> OutcomeTable:
    queries: dict[str, dict[Rung, Outcome]] = {}
    for row in table:
        if row["tier"] in (small, large):
            tier = int(row["tier"] == large)
            name = str(row["query_id"])
            queries.setdefault(name, {})[Rung(tier, 0, False)] = Outcome(
                name,
                tier,
                0,
                False,
                None,
                row["loss"],  # type: ignore[arg-type]
                row["cost"],  # type: ignore[arg-type]
                None,
                row["signals"],  # type: ignore[arg-type]
                row["signal_costs"],  # type: ignore[arg-type]
                prompts[row["query_id"]],
            )
    return OutcomeTable(queries)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/routing")
    if not folder.is_dir():
        print(f"{folder} is not here: nothing to measure")
        return
    prompts = {
        row["query_id"]: str(row["prompt"]) for row in rows(folder / "llama_prompts.jsonl.gz")
    }
    missed, savings, broken, certified, naucs = 0, [], 0, 0, []
    for name in ("mmlu", "triviaqa"):
        train_rows, test_rows = (
            rows(folder / f"llama_{name}_{s}.jsonl.gz") for s in ("train", "test")
        )
        for small, large in PAIRS:
            train = pair(train_rows, prompts, small, large)
            test = pair(test_rows, prompts, small, large)
            settings = replace(fit_settings(train, default_prices(train), 0), calibrating=AUTOMATIC)
            words = [f"{name:8} {small}->{large}"]
            for alpha in (0.1, 0.2):
                target = RiskTarget("selective", alpha, 0.1)
                found = fit_certified(train, settings, Promise(target, "last-tier"), {})
                if found.profile.certificate is None:
                    words.append(f"alpha {alpha}: not certified")
                    continue
                served = serve_table(test, found.profile)
                gated = [one.loss or 0.0 for one in served if one.gated]
                risk = sum(gated) / max(1, len(gated))
                certified, broken = certified + 1, broken + (risk > alpha)
                words.append(
                    f"alpha {alpha}: risk {risk:.3f}, {len(gated) / len(served):.0%} gated"
                )
            fitted = fit_target(train, settings, QualityKept(0.95), {}, questions=texts(train))
            kept, saved = judged(test, fitted.profile)
            missed += kept < 0.95
            savings.append(saved)
            nauc = nauc_of(test, fitted.profile)
            naucs.append(nauc)
            words.append(f"quality kept {kept:.3f}, saved {saved:.1%}, nAUC {nauc:.3f}")
            print("; ".join(words), flush=True)
    print(
        f"certified risk exceeded on test in {broken} of {certified}; quality target missed in "
        f"{missed} of {len(savings)}, median saving {statistics.median(savings):.1%}; mean nAUC "
        f"{statistics.mean(naucs):.3f}"
    )


def texts(table: OutcomeTable) -> dict[str, str]:
    return {
        name: next(iter(ladder.values())).question or "" for name, ladder in table.queries.items()
    }


def judged(table: OutcomeTable, profile: Profile) -> tuple[float, float]:
    """Quality and saving against always asking the large tier."""
    served = serve_table(table, profile)
    large = [ladder[Rung(1, 0, False)] for ladder in table.queries.values()]
    quality = sum(1.0 - one.loss for one in served if one.loss is not None)
    best = sum(1.0 - (row.loss or 0.0) for row in large)
    return quality / best, 1.0 - sum(one.cost for one in served) / sum(row.cost for row in large)


def nauc_of(table: OutcomeTable, profile: Profile) -> float:
    """Of the profile's kind of policy at all its settings; a lot between two tiers has 0.5."""
    served = serve_table(table, profile)
    number = policy_curve(table, profile, served).numbers["nauc"]
    return float("nan") if isinstance(number, Unavailable) else number.value


if __name__ == "__main__":
    main()
