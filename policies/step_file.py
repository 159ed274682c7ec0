"""A fitted step gate of one tier as a reviewable JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..router.errors import BadInput, ConfigurationError, ProfileMismatch
from ..router.estimators.catalogue import Options, estimator
from ..router.steps.positions import parse_positions
from ..router.steps.reading import StepReader
from ..router.tables import write_atomically
from .step_gate import StepRule

__all__ = ["StepFile", "load_steps", "save_steps", "step_reader"]

_SCHEMA = 1
_KIND = "steps"


@dataclass(frozen=True, slots=True)
class StepFile:
    """What a step gate was fitted to, and on what.

    Attributes:
        model: whose drafts; None where nobody said.
        signal, version: what is read of each step.
        positions: where steps end, see `parse_positions`.
        content_filter: as `signals.content_filter`.
        promise: `lost`, `delta`, and `right`, the number of right answers behind it.
        fitted_on: counts, hash and date, for people.
    """

    signal: str
    version: int
    positions: str
    threshold: float
    model: str | None = None
    content_filter: bool = True
    promise: Mapping[str, float] = field(default_factory=dict)
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def rule(self, model: str, *, content_filter: bool = True) -> StepRule:
        """As it will run for the drafts of `model`.

        Raises:
            ProfileMismatch: it was fitted on another model, or its steps were read otherwise.
        """
        if self.model is not None and self.model != model:
            raise _mismatch("model", self.model, model)
        if self.content_filter != content_filter:
            raise _mismatch("content_filter", str(self.content_filter), str(content_filter))
        reader = step_reader(self.signal, self.positions, content_filter=content_filter)
        if reader.estimator.version != self.version:
            found = f"version {reader.estimator.version}"
            raise _mismatch(f"estimator {self.signal!r}", f"version {self.version}", found)
        return StepRule(reader, self.threshold)


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


def save_steps(steps: StepFile, path: Path) -> None:
    """Write the file, all or nothing.

    Raises:
        StoreError: it cannot be written; an older one is left as it was.
    """
    body = {
        "schema": _SCHEMA,
        "kind": _KIND,
        "model": steps.model,
        "signal": steps.signal,
        "version": steps.version,
        "positions": steps.positions,
        "content_filter": steps.content_filter,
        "threshold": steps.threshold,
        "promise": dict(steps.promise),
        "fitted_on": dict(steps.fitted_on),
    }
    write_atomically(path, json.dumps(body, indent=1) + "\n")


def load_steps(path: Path) -> StepFile:
    """Read a file that `save_steps` wrote.

    Raises:
        BadInput: it is absent or no such file; names the field.
    """
    name = str(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", file=name) from error
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise BadInput(f"not JSON: {error}", file=name, line=line) from error
    if not isinstance(data, dict) or data.get("kind") != _KIND or data.get("schema") != _SCHEMA:
        raise BadInput(
            f'expected "kind": "{_KIND}" and "schema": {_SCHEMA}; make one with '
            "`surefoot fit-steps`",
            file=name,
            field="schema",
        )
    threshold = _field(data, "threshold", (int, float), name)
    if not 0.0 <= threshold <= 1.0:
        words = f"expected a number in [0, 1], got {threshold}"
        raise BadInput(words, file=name, field="threshold")
    return StepFile(
        _field(data, "signal", str, name),
        _field(data, "version", int, name),
        _field(data, "positions", str, name),
        float(threshold),
        _field(data, "model", (str, type(None)), name),
        _field(data, "content_filter", bool, name),
        _field(data, "promise", dict, name),
        _field(data, "fitted_on", dict, name),
    )


def _field(data: Mapping[str, Any], key: str, kind: Any, file: str) -> Any:
    if key not in data:
        raise BadInput("is missing", file=file, field=key)
    value = data[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadInput(f"got {type(value).__name__}", file=file, field=key)
    return value


def _mismatch(what: str, fitted: str, found: str) -> ProfileMismatch:
    return ProfileMismatch(
        f"{what}: the step gate was fitted on {fitted}, but {found} is configured; fit one for "
        "this configuration with `surefoot fit-steps`",
        field="steps.gates",
    )
