"""What `surefoot critic recalibrate` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..router.errors import UsageError
from .console import out, print_json
from .critic_states import read_all_states

if TYPE_CHECKING:
    from ..adapters.critic_recalibrating import Recalibrated
    from ..router.critic.states import AcceptLabel

__all__ = ["run_recalibrate"]


def run_recalibrate(
    states: Sequence[Path],
    model: str,
    target: Path,
    device: str | None,
    label: str | None,
    seed: int,
    *,
    as_json: bool,
) -> None:
    """Recalibrate, write the folder, say what came of it."""
    from ..adapters.critic_recalibrating import recalibrate_critic

    if target.exists() and not target.is_dir():
        raise UsageError(f"--out {target} is no folder")
    records = read_all_states(states)
    right: AcceptLabel | None = "em" if label == "em" else "accept"
    right = right if label else None
    version, found = recalibrate_critic(
        model,
        records,
        target,
        right=right,
        data=", ".join(file.name for file in states),
        device=device,
        seed=seed,
    )
    document: dict[str, Any] = {
        "out": str(target),
        "version": version,
        "from": model,
        "states": len(records),
    }
    for name, one in found.items():
        for key in ("n", "prior", "ece_before", "ece_after", "why"):
            document[f"{name}_{key}"] = getattr(one, key)
    if as_json:
        print_json(document)
    else:
        _show(found, target, version)


def _show(found: dict[str, Recalibrated], target: Path, version: str) -> None:
    console = out()
    for name, one in found.items():
        if one.why is not None:
            console.print(f"{name}: as it was ({one.why})")
            continue
        before, after = _number(one.ece_before), _number(one.ece_after)
        console.print(
            f"{name}: {one.n} states, {one.prior:.0%} positive; calibration error {before} before, "
            f"{after} after (out of fold)"
        )
    console.print(f"critic {version}: {target}")


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
