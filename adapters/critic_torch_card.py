"""The model card of a torch critic: what it was made from, what it is worth, where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["model_card"]

_LIMITS = (
    "It knows the reasoner, retriever and corpus whose states it was trained on. On others its "
    "ranking falls and its probabilities are wrong: calibrate anew on a few hundred labeled "
    "states, or train again.",
    "Its labels are proxies: an answer counts as right by its words, passages as sufficient by "
    "what the practice could check.",
    "Sufficient passages do not make an answer right, and a right answer does not need them.",
    "The best weights were chosen on the same held-out questions that are reported here, so the "
    "numbers flatter a little; the probabilities behind Brier score and ECE are cross-fitted.",
    "It reads a fixed number of tokens; what has no room is dropped, the oldest passages first, "
    "and the verdict says so.",
)


def model_card(facts: Mapping[str, Any]) -> str:
    """The card, in Markdown, from what `critic.json` says."""
    parts = [
        "# A critic of retrieval-augmented answers",
        f"`{facts['version']}`, architecture `{facts['architecture']}`.",
        "Reads question, answer, rationale, earlier answers and passages, and says how probable it "
        "is that the answer is right, and that the passages suffice to answer.",
        "## Weights",
        _weights(facts),
        "## Data",
        _data(facts["data"]),
        "## Measured on held-out questions",
        _metrics(facts["metrics"]),
        *[_rounds(target) for target in facts["metrics"] if target["rounds"]],
        "## Calibration",
        _calibration(facts["calibration"]),
        "## Limits",
        _listed((*facts["data"]["warnings"], *_LIMITS)),
        "## Training",
        _training(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _weights(facts: Mapping[str, Any]) -> str:
    base = facts["base"]
    which = (
        "The heads alone; the base stays as it is and must be installed."
        if facts["weights"]["hold"] == "head"
        else "All weights, those of the encoder included; its license goes on to hold."
    )
    features = facts["features"]
    beside = (
        "none"
        if features is None
        else f"{len(facts['shape']['features'])}, version {features['version']}"
    )
    return _listed(
        (
            f"Base: `{base['name']}` ({base['family']})",
            which,
            f"Tokens: {facts['shape']['limit']}; features beside the text: {beside}",
            f"SHA-256 of `model.safetensors`: `{facts['weights']['sha256']}`",
        )
    )


def _data(data: Mapping[str, Any]) -> str:
    return _listed(
        (
            f"Trained on {data['states']:,} states of {data['questions']:,} questions; measured "
            f"and calibrated on {data['dev_states']:,} states of {data['dev_questions']:,} others",
            f"Shortened: {data['truncated']:.1%} of the states; left out: {data['skipped']:,}",
            f"SHA-256 of the states: `{data['data_hash']}`",
        )
    )


def _metrics(targets: Sequence[Mapping[str, Any]]) -> str:
    names = (
        "target",
        "states",
        "share of yes",
        "AUROC within round",
        "AUROC pooled",
        "of the round alone",
        "Brier",
        "ECE",
        "accuracy",
        "always no",
    )
    rows = [
        (
            f"p({one['target']})",
            f"{one['n']:,}",
            _number(one["base_rate"]),
            _number(one["auroc_within"]),
            _number(one["auroc_pooled"]),
            _number(one["auroc_round"]),
            _number(one["brier"]),
            _number(one["ece"]),
            _number(one["accuracy"]),
            _number(one["always_reject"]),
        )
        for one in targets
    ]
    return _table(names, rows)


def _rounds(target: Mapping[str, Any]) -> str:
    rows = [
        (
            str(one["round"]),
            f"{one['n']:,}",
            _number(one["base_rate"]),
            _number(one["mean_p"]),
            _number(one["auroc"]),
        )
        for one in target["rounds"]
    ]
    names = ("round", "states", "share of yes", "mean p", "AUROC")
    return f"p({target['target']}) by round:\n\n{_table(names, rows)}"


def _calibration(calibration: Mapping[str, Any]) -> str:
    lines = []
    for name, one in calibration.items():
        pools = ", ".join(
            str(pool["first"])
            if pool["first"] == pool["last"]
            else f"{pool['first']}-{pool['last']}"
            for pool in one["pools"]
        )
        lines.append(
            f"p({name}): a curve each for rounds {pools}, at the natural prior of the held-out "
            f"questions; fingerprint `{one['fingerprint'][:16]}`"
        )
    return _listed(lines)


def _training(facts: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{name} = {value}" for name, value in facts["training"].items())
    data = facts["data"]
    best = max(data["looks"], key=lambda look: look["measure"])
    return (
        f"Ended after {data['minutes']:.1f} minutes: {data['ended']}; best after "
        f"{best['step']:,} steps.\n\nSettings: {settings}."
    )


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
