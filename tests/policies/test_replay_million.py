"""A million attempts are replayed within a minute and 4 GB; a tenth of them stands for all."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from surefoot.policies.outcomes import read_outcomes


def benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "replay_million.py"
    spec = spec_from_file_location("replay_million", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


REPLAY = benchmark()


def test_the_table_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        REPLAY.write_table(tmp_path / f"{name}.jsonl", 50, 3, seed)

    one, again, other = (read_outcomes(tmp_path / f"{n}.jsonl") for n in ("one", "again", "other"))
    assert one == again != other
    assert (len(one.queries), one.tiers, one.rounds) == (50, 3, 0)
    assert one.signals == ("mean_logprob", "min_token_prob")


@pytest.mark.slow
def test_a_hundred_thousand_attempts_are_replayed_within_ten_seconds(tmp_path: Path) -> None:
    table = tmp_path / "outcomes.jsonl"
    REPLAY.write_table(table, 20_000, 5, seed=0)
    profile = REPLAY.fit_sample(tmp_path, 5)
    taken = REPLAY.measure(("replay", str(table), "--profile", str(profile), "--json"))

    found = json.loads(taken.output)
    assert found["n"] == 20_000
    assert 0.8 < found["quality"] < 0.95  # a gate does well in this world
    # CPU, not wall time: what else the machine does is no concern of this test.
    assert taken.cpu_s < 10.0
    assert taken.peak_mb < 500.0
