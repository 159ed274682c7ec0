"""What `surefoot critic eval` does."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..router.critic.evaluation import (
    JudgedRow,
    TargetQuality,
    judged_rows,
    quality_of,
    threads_of,
)
from ..router.critic.states_file import state_row
from ..router.critic.stopping import (
    Thread,
    always_stop_at,
    certify_stop,
    oracle,
    stop_at,
    stop_curve,
)
from ..router.critic.within_round import auroc_within, stratum_of
from ..router.metrics.bootstrap import bootstrap_interval
from ..router.signals import Unavailable
from ..router.tables import json_line, write_atomically, write_lines
from .console import print_json, progress_bar
from .critic_states import read_all_states

if TYPE_CHECKING:
    from ..router.critic.critics import Critic
    from ..router.critic.states import AcceptLabel, StateRecord
    from ..router.evidence import CriticVerdict

__all__ = ["Asked", "run_eval"]

_BATCH = 64
_REPS = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    states: tuple[Path, ...]
    model: str | None
    target: Path | None
    report: Path | None
    device: str | None
    precision: float
    delta: float
    seed: int
    label: AcceptLabel | None = None
    drift_level: float = 0.01


def run_eval(asked: Asked, *, as_json: bool) -> None:
    """Judge, measure, write what was asked for, and say how good the critic is."""
    from ..adapters.critics import DEFAULT_CRITIC, label_of, open_critic

    critic = open_critic(asked.model or DEFAULT_CRITIC, device=asked.device)
    records = read_all_states(asked.states)
    began = time.process_time()
    verdicts = _judged(critic, records)
    seconds = time.process_time() - began
    if asked.target is not None:
        write_lines(asked.target, map(_judged_row, records, verdicts))
    document: dict[str, Any] = {
        "states": len(records),
        "questions": len({record.group for record in records}),
        "version": critic.version,
        "seconds": round(seconds, 2),
        "ms_per_state": round(1000.0 * seconds / len(records), 3),
        "truncated": sum(verdict.truncated for verdict in verdicts),
    }
    label = asked.label or label_of(critic)
    document["accept_label"] = label
    document["drift"] = _drift(critic, records, verdicts, asked)
    judged = {
        target: judged_rows(records, verdicts, target, label) for target in ("accept", "sufficient")
    }
    for target, rows in judged.items():
        document |= _target(target, rows, asked)
    document["transfer"] = _by_set(records, verdicts, label)
    document |= _stopping(_by_question(records, verdicts, label), asked)
    if asked.report is not None:
        from ..policies.critic_plots import plot_critic

        write_atomically(asked.report / "eval.json", json_line(document))
        plot_critic(document, judged, asked.report)
    if as_json:
        print_json(document)
    else:
        from .critic_eval_screen import show_eval

        show_eval(document, asked.precision)


def _judged(critic: Critic, records: Sequence[StateRecord]) -> list[CriticVerdict]:
    found: list[CriticVerdict] = []
    with progress_bar() as report:
        for start in range(0, len(records), _BATCH):
            part = records[start : start + _BATCH]
            found += critic.judge([record.state for record in part])
            report("judging states", len(found), len(records))
    return found


def _judged_row(record: StateRecord, verdict: CriticVerdict) -> dict[str, Any]:
    row = state_row(record)
    row["p_accept"] = verdict.p_accept
    row["p_sufficient"] = verdict.p_sufficient
    row["gap"] = verdict.gap
    row["truncated"] = verdict.truncated
    return row


def _drift(
    critic: Critic, records: Sequence[StateRecord], verdicts: Sequence[CriticVerdict], asked: Asked
) -> dict[str, Any]:
    """Whether the states are like those that the critic was fitted on; labels play no part."""
    from ..adapters.critics import reference_of
    from ..router.critic.drift_tally import drift_of

    found = drift_of(reference_of(critic), records, verdicts, asked.drift_level)
    return {
        "status": found.status,
        "words": found.words,
        "level": found.level,
        "comparisons": len(found.shifts),
        "largest_index": max((shift.index for shift in found.shifts), default=None),
        "rounds": [asdict(one) for one in found.rounds],
        "features": [asdict(shift) for shift in found.drifted],
        "foreign": [
            {"head": head, "round": round_, "states": count}
            for (head, round_), count in sorted(found.foreign.items())
        ],
    }


def _target(target: str, rows: list[JudgedRow], asked: Asked) -> dict[str, Any]:
    quality = quality_of(rows)
    numbers: dict[str, Any] = dict.fromkeys(field.name for field in fields(TargetQuality))
    numbers |= {"n": 0, "strata": [], "ece_by_round": {}, "auroc_within_interval": None}
    if quality is not None:
        numbers = asdict(quality)
        strata, by_round = numbers.pop("strata"), numbers.pop("ece_by_round")
        numbers["strata"] = [
            {
                "round": one["key"][0],
                "passages": one["key"][1],
                "n": one["n"],
                "positives": one["positives"],
                "auroc": None if isinstance(found.auroc, Unavailable) else found.auroc,
            }
            for one, found in zip(strata, quality.strata, strict=True)
        ]
        numbers["strata"].sort(key=lambda one: (one["round"], one["passages"]))
        numbers["ece_by_round"] = {str(round_): value for round_, value in by_round.items()}
        interval = bootstrap_interval(
            _within, rows, lambda row: row.record.group, seed=asked.seed, reps=_REPS
        )
        numbers["auroc_within_interval"] = (
            None if isinstance(interval, Unavailable) else list(interval)
        )
    return {f"{target}_{name}": value for name, value in numbers.items()}


def _within(rows: Sequence[JudgedRow]) -> float | Unavailable:
    return auroc_within(
        [row.p for row in rows],
        [row.label for row in rows],
        [stratum_of(row.record) for row in rows],
    )


def _by_set(
    records: Sequence[StateRecord], verdicts: Sequence[CriticVerdict], label: AcceptLabel
) -> dict[str, dict[str, float | None]]:
    """AUROC within rounds for each data set and way of searching that the states name."""
    found: dict[str, dict[str, float | None]] = {}
    for target in ("accept", "sufficient"):
        by_set: dict[str, list[JudgedRow]] = {}
        for row in judged_rows(records, verdicts, target, label):
            extra = row.record.extra
            names = [str(extra[key]) for key in ("dataset", "mode") if extra.get(key) is not None]
            if names:
                by_set.setdefault("/".join(names), []).append(row)
        for name, rows in by_set.items():
            value = _within(rows)
            found.setdefault(name, {})[target] = None if isinstance(value, Unavailable) else value
    return found


def _by_question(
    records: Sequence[StateRecord], verdicts: Sequence[CriticVerdict], label: AcceptLabel
) -> dict[str, list[Thread]]:
    """The threads of each question, in the order of the states."""
    group_of = {record.thread_id: record.group for record in records}
    found: dict[str, list[Thread]] = {}
    for thread_id, thread in threads_of(records, verdicts, label).items():
        found.setdefault(group_of[thread_id], []).append(thread)
    return found


def _stopping(questions: Mapping[str, Sequence[Thread]], asked: Asked) -> dict[str, Any]:
    """As a stop policy; empty where no thread has several rounds of known labels."""
    rounds = [thread for threads in questions.values() for thread in threads]
    if not any(len(thread) > 1 for thread in rounds):
        return {"stop_curve": [], "stop_rules": {}, "certified": None}
    most = max(len(thread) for thread in rounds)
    rules = {f"always round {place}": always_stop_at(rounds, place) for place in range(most)}
    rules["best with hindsight"] = oracle(rounds)
    return {
        "stop_curve": [asdict(point) for point in stop_curve(rounds)],
        "stop_rules": {name: asdict(point) for name, point in rules.items()},
        "certified": _certified(questions, asked),
    }


def _certified(questions: Mapping[str, Sequence[Thread]], asked: Asked) -> Mapping[str, Any] | None:
    """A threshold certified on one half of the questions, and how it does on the other.

    The test takes its threads for independent, so each question gives one: the first.
    """
    ordered = sorted(questions)
    random.Random(asked.seed).shuffle(ordered)
    half = len(ordered) // 2
    tested = [questions[name][0] for name in ordered[:half]]
    others = [thread for name in ordered[half:] for thread in questions[name]]
    found = certify_stop(tested, asked.precision, asked.delta)
    if found is None:
        return None
    held = stop_at(others, found.threshold)
    return {**asdict(found), "held_out": {"threads": len(others), **asdict(held)}}
