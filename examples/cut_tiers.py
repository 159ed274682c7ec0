"""Keep some tiers of an outcome table, numbered anew: "what if I had only these two models?"

    python examples/cut_tiers.py chain.jsonl.gz --tiers 2,3 --out pair.jsonl

Reads JSON Lines, packed with gzip or not. Needs Python alone.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def lines(path: Path) -> Iterator[str]:
    """The lines of a file that hold something."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        yield from (line for line in file if line.strip())


def cut(row: dict[str, Any], numbers: Mapping[int, int]) -> dict[str, Any] | None:
    """The row with its new number, None where its tier is left out.

    The tier is called like its model, unless it has a name.
    """
    if row["tier"] not in numbers:
        return None
    name = row.get("tier_name") or row.get("model")
    named = {} if name is None else {"tier_name": name}
    return {**row, **named, "tier": numbers[row["tier"]]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--tiers", required=True, help="numbers to keep, in their new order: 2,3")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    numbers = {int(tier): at for at, tier in enumerate(asked.tiers.split(","))}
    rows = [cut(json.loads(line), numbers) for line in lines(asked.table)]
    kept = [row for row in rows if row is not None]
    missing = numbers.keys() - {old for old, at in numbers.items() if _has(kept, at)}
    if missing:
        parser.error(f"{asked.table} has no tier {min(missing)}")
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    with asked.out.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
    questions = len({row["query_id"] for row in kept})
    print(f"{asked.out}: {questions} questions, {len(numbers)} tiers")


def _has(rows: list[dict[str, Any]], tier: int) -> bool:
    return any(row["tier"] == tier for row in rows)


if __name__ == "__main__":
    main()
