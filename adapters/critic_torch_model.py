"""The torch critic at work: states in, calibrated verdicts out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..router.calibration.curves import sigmoid
from ..router.critic.gaps import gap_of
from ..router.critic.round_calibration import RoundCalibration
from ..router.critic.states import CriticState
from ..router.critic.text_form import TextForm
from ..router.errors import (
    ConfigurationError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamUnavailable,
)
from ..router.evidence import CriticVerdict
from .critic_torch_net import CriticNet, FeatureScale, StateFeatures

__all__ = ["TorchCritic", "default_device", "in_batches", "log_odds_of"]

# Rows a batch. Padding to the longest costs more than a fuller batch gains on two cores.
_ROWS_CPU, _ROWS_GPU = 16, 128


@dataclass(frozen=True, slots=True)
class TorchCritic:
    """A `Critic`; several threads may call it, one forward runs at a time.

    Attributes:
        calibration: by target; an answer is not judged (p_accept None) by a critic that never
            learned from labels of answers.
        features: what stands beside the text, None without.
        version: architecture, base and a fingerprint of all that was fitted.
    """

    net: CriticNet
    calibration: Mapping[str, RoundCalibration]
    scale: FeatureScale
    features: StateFeatures | None
    version: str
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if "sufficient" not in self.calibration:
            raise ConfigurationError("a critic needs a calibration of p_sufficient")
        given = self.features.names if self.features else ()
        if given != self.net.shape.features:
            raise ConfigurationError(
                f"the critic was trained with the features {list(self.net.shape.features)}, and is "
                f"given {list(given)}; use the version of surefoot that it was trained with"
            )

    def judge(self, states: Sequence[CriticState]) -> Sequence[CriticVerdict]:
        """One verdict a state, in order.

        Raises:
            UpstreamRefused: question and answer of a state alone are longer than the critic reads.
            UpstreamUnavailable: it cannot be run (no memory, say).
            UpstreamMalformed: it returned something that is no number.
        """
        forms = [self.net.reader.form(state) for state in states]
        for form in forms:
            if not form.fits:
                raise UpstreamRefused(
                    f"question and answer take {form.tokens} tokens, and the critic reads "
                    f"{self.net.shape.limit}; train one with a larger limit"
                )
        if not states:
            return []
        rows = [self._row(state) for state in states]
        with self._lock:
            try:
                odds = log_odds_of(self.net, forms, rows).tolist()
            except (RuntimeError, IndexError) as error:  # torch's own, no memory included
                raise UpstreamUnavailable(
                    f"{self.version} cannot be run: {type(error).__name__}: {error}"
                ) from error
        return [
            self._verdict(state, form, accept, sufficient)
            for state, form, (accept, sufficient) in zip(states, forms, odds, strict=True)
        ]

    def _row(self, state: CriticState) -> list[float]:
        return self.scale.scaled(self.features.of(state)) if self.features else []

    def _verdict(
        self, state: CriticState, form: TextForm, accept: float, sufficient: float
    ) -> CriticVerdict:
        if accept != accept or sufficient != sufficient:
            raise UpstreamMalformed(f"{self.version} returned something that is no number")
        curve = self.calibration.get("accept") if state.answer.strip() else None
        return CriticVerdict(
            None if curve is None else curve.at(sigmoid(accept), state.round),
            self.calibration["sufficient"].at(sigmoid(sufficient), state.round),
            gap=gap_of(state.question, state.passages) if state.passages else None,
            truncated=form.truncated,
            version=self.version,
        )


def log_odds_of(net: CriticNet, forms: Sequence[TextForm], rows: Sequence[Sequence[float]]) -> Any:
    """(states, 2) log odds on the CPU, in order; sorted by length inside, so little is padded."""
    import torch

    found = torch.empty(len(forms), 2)
    net.encoder.eval()
    with torch.inference_mode():
        for places in in_batches([form.tokens for form in forms], net.device):
            pooled = net.pooled(net.reader.batch([forms[place] for place in places]))
            features = torch.tensor([list(rows[place]) for place in places], device=net.device)
            found[torch.tensor(places)] = net.log_odds(pooled, features).float().cpu()
    return found


def in_batches(tokens: Sequence[int], device: str) -> Iterator[list[int]]:
    """The places of texts, shortest first, a batch at a time."""
    order = sorted(range(len(tokens)), key=lambda place: tokens[place])
    size = _ROWS_CPU if device == "cpu" else _ROWS_GPU
    for start in range(0, len(order), size):
        yield order[start : start + size]


def default_device(device: str | None = None) -> str:
    """The device that was asked for, else a GPU where torch sees one, else the CPU."""
    import torch

    return device or ("cuda" if torch.cuda.is_available() else "cpu")
