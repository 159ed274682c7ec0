"""The model card of a features critic, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .feature_critic import FeatureCritic

__all__ = ["card_text"]

_HEADS = {
    "accept": "p(accept): the answer is right",
    "sufficient": "p(sufficient): the passages do",
}


def card_text(critic: FeatureCritic) -> str:
    """Markdown: data, prior, metrics, calibration and limits."""
    card = critic.card
    lines = [
        f"# Critic {critic.version}",
        "",
        f"Trees and a line over features. Trained on {card.get('states', '?')} states of "
        f"{card.get('questions', '?')} questions: {card.get('data') or 'not said'}.",
        f"Data SHA-256: {card.get('data_sha256', 'unknown')}",
        "",
        "Measured by cross-validation over questions, at the natural share of positives; areas are "
        "among states of the same round and number of passages.",
        "",
        "| head | states | positive | AUROC within round | pooled | round alone | Brier | ECE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for target, words in _HEADS.items():
        lines.append(f"| {words} | {' | '.join(_cells(card.get('metrics', {}).get(target, {})))} |")
    pools = {
        target: [(pool.first, pool.last) for pool in head.calibration.pools]
        for target, head in (("accept", critic.accept), ("sufficient", critic.sufficient))
    }
    rounds = "; ".join(
        f"{target}: {', '.join(f'{a}' if a == b else f'{a} to {b}' for a, b in found)}"
        for target, found in pools.items()
    )
    return "\n".join(
        [
            *lines,
            "",
            f"Calibrated on out-of-fold scores, one curve per pool of rounds ({rounds}).",
            "",
            f"Limits: {card.get('limits', 'not said')}",
            "",
            *_recalibrated(card.get("recalibrated")),
        ]
    )


def _recalibrated(note: Any) -> list[str]:
    if not note:
        return []
    parts = [
        f"{target} on {one['n']} states, {one['prior']:.3g} of them positive"
        for target, one in note["targets"].items()
    ]
    return [f"Recalibrated from {note['from']} on {note['data']}: {'; '.join(parts)}.", ""]


def _cells(numbers: Mapping[str, Any]) -> list[str]:
    if "taken_over_from" in numbers:
        return [f"kept from {numbers['taken_over_from']}", *("",) * 6]
    names = ("n", "base_rate", "auroc_within", "auroc_pooled", "auroc_round", "brier", "ece")
    found = [numbers.get(name) for name in names]
    return ["-" if value is None else f"{value:.3g}" for value in found]
