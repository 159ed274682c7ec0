"""One step of training the torch critic: which states, how fast, and what the loss is.

Every random number comes from the seed and the step, so a step is the same whenever it is taken.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

from .critic_torch_data import CriticRows, positives
from .critic_torch_net import TARGETS, CriticNet
from .critic_torch_settings import TrainingSettings

__all__ = ["Stepper"]

_WINDOW = 8  # batches that are sorted by length together: little padding, and still at random
_MOST_NORM = 1.0  # of a step's gradient


class Stepper:
    """Weights, what moves them, and the rows that they are moved by.

    Args:
        pooled: what a frozen encoder says of the rows; None where it is trained too.

    Attributes:
        weights: that are trained, by name.
        steps: that a whole training has.
    """

    def __init__(
        self, net: CriticNet, rows: CriticRows, pooled: Any, settings: TrainingSettings
    ) -> None:
        import torch

        self.net = net
        self.rows = rows
        self.settings = settings
        self._pooled = pooled
        self.weights = _trained(net, settings.freeze)
        groups = [
            {"params": [one for name, one in self.weights.items() if name.startswith(part)]}
            for part in ("encoder.", "head.")
        ]
        rates = (settings.encoder_rate, settings.head_rate)
        self._groups = [
            {**group, "rate": rate}
            for group, rate in zip(groups, rates, strict=True)
            if group["params"]
        ]
        self.optimizer = torch.optim.AdamW(
            self._groups, lr=settings.head_rate, weight_decay=settings.weight_decay
        )
        self._features = torch.tensor([list(row) for row in rows.features], device=net.device)
        self._labels, self._costs = _targets(rows, settings, net.device)
        self._per_epoch = math.ceil(len(rows.forms) / settings.n_batch)
        self.steps = self._per_epoch * settings.n_epochs
        self._deal: tuple[int, list[list[int]]] = (-1, [])

    def look_is_due(self, step: int) -> bool:
        """Whether held-out states are judged after so many steps."""
        between = max(1, self._per_epoch // self.settings.n_looks)
        return step % between == 0 or step == self.steps

    def go(self, step: int) -> float:
        """One step; the loss before it."""
        import torch

        places = self._batch(step)
        self._set_rates(step)
        torch.manual_seed(_mixed(self.settings.seed, step))
        with torch.set_grad_enabled(not self.settings.freeze):
            pooled = self._of(places)
        odds = self.net.log_odds(pooled, self._features[places], self.settings.dropout)
        loss = _loss(odds, self._labels[places], self._costs[places])
        self.optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(self.weights.values()), _MOST_NORM)
            self.optimizer.step()
        return float(loss.detach())

    def _of(self, places: Sequence[int]) -> Any:
        if self._pooled is not None:
            return self._pooled[list(places)].to(self.net.device)
        self.net.encoder.train()
        return self.net.pooled(self.net.reader.batch([self.rows.forms[i] for i in places]))

    def _set_rates(self, step: int) -> None:
        warm = max(1, round(self.steps * self.settings.warm_up))
        share = min((step + 1) / warm, (self.steps - step) / max(1, self.steps - warm))
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * min(1.0, share)

    def _batch(self, step: int) -> list[int]:
        epoch, place = divmod(step, self._per_epoch)
        if self._deal[0] != epoch:
            seed = _mixed(self.settings.seed, -1 - epoch)
            tokens = [form.tokens for form in self.rows.forms]
            self._deal = (epoch, _dealt(tokens, self.settings.n_batch, seed))
        return self._deal[1][place]


def _trained(net: CriticNet, freeze: bool) -> dict[str, Any]:
    net.encoder.requires_grad_(not freeze)
    parts = {"head": net.head} if freeze else {"encoder": net.encoder, "head": net.head}
    return {
        f"{part}.{name}": weight
        for part, module in parts.items()
        for name, weight in module.named_parameters()
    }


def _targets(rows: CriticRows, settings: TrainingSettings, device: str) -> tuple[Any, Any]:
    """(rows, 2) labels, 0 where unknown, and (rows, 2) weights, 0 where unknown, mean 1."""
    import torch

    cost = settings.false_accept_cost
    labels, costs = [], []
    for accept, sufficient in rows.labels:
        labels.append([float(accept or 0), float(sufficient or 0)])
        costs.append(
            [
                0.0 if accept is None else (1.0 if accept else cost),
                0.0 if sufficient is None else 1.0,
            ]
        )
    weights = torch.tensor(costs)
    for place in range(len(TARGETS)):
        n, _ = positives(rows, place)
        weights[:, place] *= n / max(float(weights[:, place].sum()), 1.0)
    return torch.tensor(labels, device=device), weights.to(device)


def _loss(odds: Any, labels: Any, costs: Any) -> Any:
    from torch.nn.functional import binary_cross_entropy_with_logits as entropy

    known = (costs > 0.0).sum().clamp(min=1)
    return (entropy(odds, labels, reduction="none") * costs).sum() / known


def _dealt(tokens: Sequence[int], size: int, seed: int) -> list[list[int]]:
    """All rows in random batches of about equal lengths."""
    draw = random.Random(seed)
    order = list(range(len(tokens)))
    draw.shuffle(order)
    batches = []
    for window in _cut(order, size * _WINDOW):
        batches += list(_cut(sorted(window, key=lambda row: tokens[row]), size))
    draw.shuffle(batches)
    return batches


def _cut(rows: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])


def _mixed(seed: int, step: int) -> int:
    return random.Random(f"{seed}/{step}").getrandbits(62)
