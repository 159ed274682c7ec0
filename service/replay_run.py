"""What `surefoot replay` does, from its options to the report."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..router.errors import BadInput, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..policies.outcomes import OutcomeTable
    from ..policies.profile import Profile
    from ..policies.replay import Served
    from ..policies.report_of_replay import Against, Replayed
    from .console import ProgressLine

__all__ = ["Asked", "run_replay"]


@dataclass(frozen=True, slots=True)
class Asked:
    """All options of the command."""

    outcomes: Path
    profile: Path
    against: Path | None
    report: Path | None
    questions: Path | None
    seed: int


def run_replay(asked: Asked, *, as_json: bool) -> None:
    """Replay, say what came of it, and write the report where one is wanted.

    Raises:
        UsageError: a file cannot be read, or the table and a profile do not fit.
        StoreError: the report cannot be written.
    """
    from .console import out, print_json, progress_bar
    from .documents import replay_document
    from .screen import replay_table

    with progress_bar() as progress:
        done = _replayed(asked, progress)
    document = replay_document(done.report, done.profile, done.curve, done.against)
    if asked.report is not None:
        _write(asked.report, done, document)
    if as_json:
        print_json(document)
        return
    console = out()
    console.print(replay_table(done.report, done.profile.names, done.curve, done.against))
    console.print(_promise_lines(done), style="" if done.promise else "dim")
    if asked.report is not None:
        console.print(f"report: {asked.report / 'report.html'}")


def _write(folder: Path, done: Replayed, document: Mapping[str, object]) -> None:
    from ..policies.report_html import write_report
    from ..policies.report_of_replay import replay_content
    from ..router.tables import write_atomically

    write_atomically(folder / "replay.json", json.dumps(document, indent=1) + "\n")
    write_report(replay_content(done), folder / "report.html")


def _replayed(asked: Asked, progress: ProgressLine) -> Replayed:
    from ..policies.outcomes import read_outcomes
    from ..policies.policy_curve import policy_curve
    from ..policies.profile import load_profile
    from ..policies.replay import charged_for_abstaining, replay_report
    from ..policies.report_of_replay import Replayed
    from .fit_screen import risk_words

    table, profile = read_outcomes(asked.outcomes), load_profile(asked.profile)
    texts = _texts(asked, table)
    _check_texts(profile, texts)
    served = _served(asked, table, profile, texts, partial(progress, "replaying questions"))
    return Replayed(
        table,
        profile,
        served,
        replay_report(
            table, served, seed=asked.seed, abstention_loss=charged_for_abstaining(profile)
        ),
        policy_curve(table, profile, served, seed=asked.seed, questions=texts),
        None if profile.certificate is None else risk_words(profile.certificate),
        None if asked.against is None else _against(asked, table, profile, served, texts, progress),
        _facts(asked, table),
        _command(asked),
    )


def _texts(asked: Asked, table: OutcomeTable) -> Mapping[str, str] | None:
    """Of all questions, or None where those of some are unknown."""
    from ..policies.question_texts import question_texts, read_question_texts

    beside = None if asked.questions is None else read_question_texts(asked.questions)
    return question_texts(table, beside)


def _check_texts(profile: Profile, texts: Mapping[str, str] | None) -> None:
    """A prior that read ids for questions would route by nonsense."""
    if profile.prior is not None and texts is None:
        raise UsageError(
            "the profile routes by the text of the question, and that of some queries is unknown: "
            "name a file of texts with --questions"
        )


def _served(
    asked: Asked,
    table: OutcomeTable,
    profile: Profile,
    texts: Mapping[str, str] | None,
    progress: partial[None],
) -> list[Served]:
    from ..policies.replay import serve_table

    try:
        return serve_table(table, profile, progress, questions=texts)
    except BadInput:
        raise
    except UsageError as error:  # the policy cannot know which file the rows are from
        raise BadInput(str(error), file=str(asked.outcomes)) from error


def _against(
    asked: Asked,
    table: OutcomeTable,
    profile: Profile,
    served: list[Served],
    texts: Mapping[str, str] | None,
    progress: ProgressLine,
) -> Against:
    """The other profile on the same questions, its abstentions charged as this one's."""
    from ..policies.profile import load_profile
    from ..policies.replay import charged_for_abstaining, served_arrays
    from ..policies.replay_bootstrap import replay_differences
    from ..policies.report_of_replay import Against

    assert asked.against is not None
    other = load_profile(asked.against)
    _check_texts(other, texts)
    second = _served(asked, table, other, texts, partial(progress, "replaying the other profile"))
    charged = charged_for_abstaining(profile)
    differences = replay_differences(
        served_arrays(served, charged), served_arrays(second, charged), seed=asked.seed
    )
    return Against(f"{asked.against.name} {other.fingerprint[:12]}", differences)


def _promise_lines(done: Replayed) -> str:
    """What was certified, beside the same risk on these questions; or that nothing was."""
    certificate = done.profile.certificate
    if certificate is None or done.promise is None:
        return "uncertified: no error rate is promised"
    target = certificate.target
    key = f"{target.kind}_risk"
    risk: float | None = getattr(done.report, key)
    words = "no answer to speak of" if risk is None else f"{risk:.4f}"
    interval = done.report.intervals.get(key)
    if risk is not None and interval is not None:
        words += f" [{interval[0]:.4f}, {interval[1]:.4f}]"
    return (
        f"certified: {done.promise}\n"
        f"{target.kind} risk on this table: {words}, beside the {target.alpha:g} certified"
    )


def _facts(asked: Asked, table: OutcomeTable) -> tuple[tuple[str, str], ...]:
    digest = hashlib.sha256()
    with asked.outcomes.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    facts = (
        ("outcome table", asked.outcomes.name),
        ("SHA-256", digest.hexdigest()),
        ("questions", f"{len(table.queries)}"),
        ("profile", asked.profile.name),
        ("seed", f"{asked.seed}"),
    )
    return facts if asked.against is None else (*facts, ("against", asked.against.name))


def _command(asked: Asked) -> str:
    words = ["surefoot", "replay", str(asked.outcomes), "--profile", str(asked.profile)]
    for name, path in (("--against", asked.against), ("--questions", asked.questions)):
        words += [name, str(path)] if path is not None else []
    return shlex.join([*words, *(["--seed", str(asked.seed)] if asked.seed else []), "--json"])
