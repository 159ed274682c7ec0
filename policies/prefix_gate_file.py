"""A fitted gate over the beginnings of one tier's drafts, as a reviewable JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..router.errors import BadInput, ConfigurationError, ProfileMismatch
from ..router.estimators.catalogue import Options, estimator
from ..router.steps.positions import parse_positions
from ..router.steps.reading import StepReader
from ..router.tables import write_atomically

__all__ = ["GateKind", "PrefixGateFile", "load_prefix_gate", "save_prefix_gate", "step_reader"]

GateKind = Literal["steps", "live"]
"""What a gate does: stop a draft at a weak step, or let it be shown while it is written."""

_SCHEMA = 1
_MAKERS = {"steps": "surefoot fit-steps", "live": "surefoot fit-live"}


@dataclass(frozen=True, slots=True)
class PrefixGateFile:
    """What such a gate was fitted to, and on what.

    Attributes:
        kind: what it is for.
        model: whose drafts; None where nobody said.
        signal, version: what is read of each step.
        positions: where steps end, see `parse_positions`.
        content_filter: as `signals.content_filter`.
        promise: its levels, and the number of answers behind it.
        fitted_on: counts, hash and date, for people.
        retrieved: whether the drafts saw passages; None where it holds for all.
    """

    kind: GateKind
    signal: str
    version: int
    positions: str
    threshold: float
    model: str | None = None
    content_filter: bool = True
    promise: Mapping[str, float] = field(default_factory=dict)
    fitted_on: Mapping[str, Any] = field(default_factory=dict)
    retrieved: bool | None = None

    def reader(self, model: str, *, content_filter: bool = True) -> StepReader:
        """What reads the drafts of `model` as those were read that it was fitted on.

        Raises:
            ProfileMismatch: it was fitted on another model, or its steps were read otherwise.
        """
        if self.model is not None and self.model != model:
            raise self._mismatch("model", self.model, model)
        if self.content_filter != content_filter:
            raise self._mismatch("content_filter", str(self.content_filter), str(content_filter))
        reader = step_reader(self.signal, self.positions, content_filter=content_filter)
        if reader.estimator.version != self.version:
            found = f"version {reader.estimator.version}"
            raise self._mismatch(f"estimator {self.signal!r}", f"version {self.version}", found)
        return reader

    def _mismatch(self, what: str, fitted: str, found: str) -> ProfileMismatch:
        return ProfileMismatch(
            f"{what}: the gate was fitted on {fitted}, but {found} is configured; fit one for "
            f"this configuration with `{_MAKERS[self.kind]}`",
            field=f"{self.kind}.gates",
        )


def step_reader(signal: str, positions: str, *, content_filter: bool = True) -> StepReader:
    """What reads `signal` of each step.

    Raises:
        ConfigurationError: there is no such signal or no such positions, or the signal needs more
            than the tokens of a step.
    """
    found = estimator(signal, Options(content_filter))
    needs = found.needs
    if not needs.is_free or needs.passages or needs.given or needs.hidden or not needs.logprobs:
        raise ConfigurationError(
            f"'{signal}' needs more than the tokens of a step; take mmboundary, perplexity, "
            "min_token_prob or another signal of the family `tokens` (`surefoot estimators`)",
            field="signal",
        )
    return StepReader(parse_positions(positions), found)


def save_prefix_gate(gate: PrefixGateFile, path: Path) -> None:
    """Write the file, all or nothing.

    Raises:
        StoreError: it cannot be written; an older one is left as it was.
    """
    body: dict[str, Any] = {
        "schema": _SCHEMA,
        "kind": gate.kind,
        "model": gate.model,
        "signal": gate.signal,
        "version": gate.version,
        "positions": gate.positions,
        "content_filter": gate.content_filter,
        "threshold": gate.threshold,
        "promise": dict(gate.promise),
        "fitted_on": dict(gate.fitted_on),
    }
    if gate.retrieved is not None:
        body["retrieved"] = gate.retrieved
    write_atomically(path, json.dumps(body, indent=1) + "\n")


def load_prefix_gate(path: Path, kind: GateKind) -> PrefixGateFile:
    """Read a file that `save_prefix_gate` wrote.

    Raises:
        BadInput: it is absent, or no file of this kind; names the field.
    """
    name = str(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", file=name) from error
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise BadInput(f"not JSON: {error}", file=name, line=line) from error
    if not isinstance(data, dict) or data.get("kind") != kind or data.get("schema") != _SCHEMA:
        raise BadInput(
            f'expected "kind": "{kind}" and "schema": {_SCHEMA}; make one with `{_MAKERS[kind]}`',
            file=name,
            field="schema",
        )
    threshold = _field(data, "threshold", (int, float), name)
    if not 0.0 <= threshold <= 1.0:
        words = f"expected a number in [0, 1], got {threshold}"
        raise BadInput(words, file=name, field="threshold")
    return PrefixGateFile(
        kind,
        _field(data, "signal", str, name),
        _field(data, "version", int, name),
        _field(data, "positions", str, name),
        float(threshold),
        _field(data, "model", (str, type(None)), name),
        _field(data, "content_filter", bool, name),
        _field(data, "promise", dict, name),
        _field(data, "fitted_on", dict, name),
        _field(data, "retrieved", (bool, type(None)), name) if "retrieved" in data else None,
    )


def _field(data: Mapping[str, Any], key: str, kind: Any, file: str) -> Any:
    if key not in data:
        raise BadInput("is missing", file=file, field=key)
    value = data[key]
    is_bool = isinstance(value, bool) and kind not in (bool, (bool, type(None)))
    if not isinstance(value, kind) or is_bool:
        raise BadInput(f"got {type(value).__name__}", file=file, field=key)
    return value
