"""The network of the torch critic: an encoder, what is pooled of it, features, two heads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..router.critic.states import CriticState
from ..router.errors import ConfigurationError
from .critic_torch_encoder import OpenedEncoder
from .critic_torch_reader import HEAD, PASSAGES, StateReader, TokenBatch

__all__ = [
    "ARCHITECTURE",
    "TARGETS",
    "CriticNet",
    "FeatureScale",
    "Shape",
    "StateFeatures",
    "build_net",
]

ARCHITECTURE = "surefoot-pooled-parts-two-heads-1"
"""The name of this network; weights of another one are refused."""

TARGETS = ("accept", "sufficient")
"""What the two heads say, in order."""

_PARTS = 3  # the head's mean, the passages' mean, their product
_FAR = 6.0  # standard deviations at which a feature is cut off: the critic has seen none beyond


@dataclass(frozen=True, slots=True)
class StateFeatures:
    """Numbers of a state that stand beside its text.

    Attributes:
        names: one a number.
        version: raised whenever the same state would give another number.
        of: the numbers, in the order of `names`; one that is not finite counts as missing.
    """

    names: tuple[str, ...]
    version: str
    of: Callable[[CriticState], Sequence[float]]


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """How features are brought to one scale, from the states that were trained on.

    Attributes:
        mean: of each feature.
        factor: 1 / standard deviation; 0 for a feature that never varied.
    """

    mean: tuple[float, ...] = ()
    factor: tuple[float, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]]) -> FeatureScale:
        """Of the finite numbers of each column; at least one row is needed."""
        mean, factor = [], []
        for column in zip(*rows, strict=True):
            known = [value for value in column if math.isfinite(value)] or [0.0]
            center = math.fsum(known) / len(known)
            spread = math.sqrt(math.fsum((one - center) ** 2 for one in known) / len(known))
            mean.append(center)
            factor.append(1.0 / spread if spread > 1e-9 * max(1.0, abs(center)) else 0.0)
        return cls(tuple(mean), tuple(factor))

    def scaled(self, row: Sequence[float]) -> list[float]:
        """(value - mean) x factor, cut off at +-6; 0 where the value is missing."""
        if len(row) != len(self.mean):
            raise ConfigurationError(f"expected {len(self.mean)} features, got {len(row)}")
        scaled = [
            (value - mean) * factor if math.isfinite(value) else 0.0
            for value, mean, factor in zip(row, self.mean, self.factor, strict=True)
        ]
        return [min(max(value, -_FAR), _FAR) for value in scaled]


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides on the sizes of a network's weights.

    Attributes:
        limit: tokens of a text.
        width: of the layers on top of the encoder.
        features: names of the numbers beside the text.
    """

    limit: int = 256
    width: int = 128
    features: tuple[str, ...] = ()


class CriticNet:
    """Encoder and heads.

    The two parts of the text are pooled apart, each by the mean of its tokens, and their product
    stands beside them: how alike question and passages are is seen even by a frozen encoder.

    Attributes:
        is_mixed: whether the encoder multiplies in bfloat16, as it does wherever the device can.
            It has the exponents of single precision, so nothing needs scaling; what is pooled, and
            all on top, stays in single precision.
    """

    def __init__(self, encoder: OpenedEncoder, head: Any, shape: Shape, device: str) -> None:
        self.reader = StateReader(encoder.tokenizer, shape.limit)
        self.encoder = encoder.model.to(device)
        self.tokenizer = encoder.tokenizer
        self.kind = encoder.kind
        self.head = head.to(device)
        self.shape = shape
        self.device = device
        self._kind = device.partition(":")[0]
        self.is_mixed = _has_bfloat16(self._kind)

    def pooled(self, batch: TokenBatch) -> Any:
        """(rows, 3 x width) of the encoder, in single precision."""
        import torch

        batch = batch.to(self.device)
        with torch.autocast(self._kind, torch.bfloat16, enabled=self.is_mixed):
            states = self.encoder(**batch.inputs).last_hidden_state
        states = states.float()
        head, passages = (_mean(states, batch.parts == part) for part in (HEAD, PASSAGES))
        return torch.cat([head, passages, head * passages], dim=1)

    def log_odds(self, pooled: Any, features: Any, dropout: float = 0.0) -> Any:
        """(rows, 2): of accept and sufficient.

        Args:
            features: (rows, features), scaled.
            dropout: share of hidden numbers that are left out; 0 when judging.
        """
        import torch
        from torch.nn import functional

        head = self.head
        inner = [functional.gelu(head["text"](head["norm"](pooled)))]
        if self.shape.features:
            inner.append(functional.gelu(head["features"](features)))
        kept = functional.dropout(torch.cat(inner, dim=1), dropout, training=dropout > 0.0)
        mixed = functional.gelu(head["mixed"](kept))
        mixed = functional.dropout(mixed, dropout, training=dropout > 0.0)
        return torch.cat([head[target](mixed) for target in TARGETS], dim=1)


def build_net(encoder: OpenedEncoder, shape: Shape, device: str, seed: int = 0) -> CriticNet:
    """The network with fresh heads, the same for the same seed.

    Raises:
        ConfigurationError: a limit that leaves no room for a text.
    """
    import torch
    from torch import nn

    wide = _PARTS * encoder.width
    inner = shape.width + (shape.width if shape.features else 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = {"norm": nn.LayerNorm(wide), "text": nn.Linear(wide, shape.width)}
        if shape.features:
            layers["features"] = nn.Linear(len(shape.features), shape.width)
        layers["mixed"] = nn.Linear(inner, shape.width)
        layers |= {target: nn.Linear(shape.width, 1) for target in TARGETS}
        head = nn.ModuleDict(layers)
    return CriticNet(encoder, head, shape, device)


def _has_bfloat16(kind: str) -> bool:
    """Whether a kind of device multiplies in bfloat16 by itself.

    On one core of a CPU that does, a text of 256 tokens took 33 ms in place of 78, 16 of them 450
    in place of 1,200, and a step of training half the time; on one that does not, it is slower.
    """
    import torch

    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    known: Mapping[str, object] = getattr(
        torch.cpu, "get_capabilities", dict
    )()  # torch 2.6 does not have it
    return kind == "cpu" and bool(known.get("avx512_bf16", False))


def _mean(states: Any, mask: Any) -> Any:
    """(rows, width) of the tokens in the mask; 0 where there are none."""
    weights = mask.unsqueeze(-1).float()
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
