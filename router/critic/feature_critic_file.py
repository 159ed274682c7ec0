"""The features critic as a JSON file: plain numbers, checked when they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..calibration.boosted_trees import Tree
from ..errors import BadInput, ConfigurationError, UsageError
from .feature_critic import FEATURES_VERSION, CalibratedHead, FeatureCritic
from .feature_reference import FeatureReference
from .heads import Head, Line
from .round_calibration import RoundCalibration

__all__ = ["FEATURES_KIND", "critic_kind", "feature_critic_text", "parse_feature_critic"]

FEATURES_KIND = "features"
_SCHEMA = 1


def feature_critic_text(critic: FeatureCritic) -> str:
    """The file's text, the same for the same critic."""
    document = {
        "schema": _SCHEMA,
        "kind": FEATURES_KIND,
        "features_version": FEATURES_VERSION,
        "version": critic.version,
        "card": critic.card,
        "accept": _head_data(critic.accept),
        "sufficient": _head_data(critic.sufficient),
    }
    if critic.reference is not None:  # a file without one is as valid
        document["reference"] = critic.reference.data()
    return json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n"


def critic_kind(text: str, source: str) -> str:
    """What kind of critic a file describes.

    Raises:
        BadInput: the text is no description of a critic.
    """
    return str(_document(text, source)["kind"])


def parse_feature_critic(text: str, source: str) -> FeatureCritic:
    """The critic in a file's text.

    Raises:
        BadInput: the text is damaged; names the field.
        ConfigurationError: it was trained on other features than this version computes, or is a
            critic of another kind; both are named.
    """
    document = _document(text, source)
    if document["kind"] != FEATURES_KIND:
        raise ConfigurationError(
            f"{source}: expected a critic of kind '{FEATURES_KIND}', got '{document['kind']}'",
            field="critic.model",
        )
    trained_on = document.get("features_version")
    if trained_on != FEATURES_VERSION:
        raise ConfigurationError(
            f"{source}: trained on features of version {trained_on}, and this version computes "
            f"{FEATURES_VERSION}; train it again with `surefoot critic train`",
            field="critic.model",
        )
    critic = FeatureCritic(
        _head(document, "accept", source),
        _head(document, "sufficient", source),
        document.get("card") or {},
        _reference(document, source),
    )
    if document.get("version") != critic.version:
        raise BadInput(
            f"names version {document.get('version')}, and its numbers are {critic.version}: it "
            "was damaged or edited; train it again",
            file=source,
            field="version",
        )
    return critic


def _document(text: str, source: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}", file=source) from error
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise BadInput("is no description of a critic", file=source, field="kind")
    if document.get("schema") != _SCHEMA:
        raise BadInput(
            f"expected {_SCHEMA}, got {document.get('schema')!r}", file=source, field="schema"
        )
    return document


def _head_data(one: CalibratedHead) -> dict[str, Any]:
    data = {**_plain_head(one.head), "calibration": one.calibration.data()}
    if one.closed_book is not None:
        data["closed_book"] = _plain_head(one.closed_book)
    return data


def _plain_head(head: Head) -> dict[str, Any]:
    line = head.line
    return {
        "names": head.names,
        "baseline": head.baseline,
        "trees": [_tree_data(tree) for tree in head.trees],
        "line": {
            "intercept": line.intercept,
            "centers": line.centers,
            "scales": line.scales,
            "weights": line.weights,
        },
        "line_weight": head.line_weight,
        "gate": head.gate,
        "gated_weight": head.gated_weight,
    }


def _tree_data(tree: Tree) -> list[list[float]]:
    """Columns in the order of `Tree`'s fields; whether a missing value goes left as 0 or 1."""
    return [
        list(tree.features),
        list(tree.thresholds),
        [int(left) for left in tree.missing_left],
        list(tree.left),
        list(tree.right),
        list(tree.leaves),
    ]


def _head(document: Mapping[str, Any], name: str, source: str) -> CalibratedHead:
    try:
        data = document[name]
        own = data.get("closed_book")
        return CalibratedHead(
            _parsed_head(data),
            RoundCalibration.from_data(data["calibration"]),
            None if own is None else _parsed_head(own),
        )
    except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
        raise BadInput(f"is no head of a critic: {error!r}", file=source, field=name) from error


def _reference(document: Mapping[str, Any], source: str) -> FeatureReference | None:
    data = document.get("reference")
    if data is None:
        return None
    try:
        return FeatureReference.from_data(data)
    except UsageError as error:
        raise BadInput(
            f"was damaged or edited: {error}; without this field the critic judges as before",
            file=source,
            field="reference",
        ) from error


def _parsed_head(data: Mapping[str, Any]) -> Head:
    line = data["line"]
    return Head(
        tuple(map(str, data["names"])),
        float(data["baseline"]),
        tuple(_tree(columns) for columns in data["trees"]),
        Line(
            float(line["intercept"]),
            _numbers(line["centers"]),
            _numbers(line["scales"]),
            _numbers(line["weights"]),
        ),
        float(data["line_weight"]),
        None if data["gate"] is None else str(data["gate"]),
        float(data["gated_weight"]),
    )


def _tree(columns: Any) -> Tree:
    features, thresholds, missing_left, left, right, leaves = columns
    return Tree(
        tuple(map(int, features)),
        _numbers(thresholds),
        tuple(map(bool, missing_left)),
        tuple(map(int, left)),
        tuple(map(int, right)),
        _numbers(leaves),
    )


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(map(float, values))
