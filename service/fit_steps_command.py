"""`surefoot fit-steps`: a threshold for the steps of one tier's drafts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import json_option
from .shares import share_document, share_words

if TYPE_CHECKING:
    from ..policies.step_fit import StepFit

__all__ = ["command"]

_NOT_CERTIFIED = 3
_PATH = click.Path(path_type=Path)


@click.command("fit-steps", short_help="when to stop a long draft at its first weak step")
@click.argument("evidence", type=_PATH)
@click.option(
    "--lost",
    type=float,
    default=0.05,
    show_default=True,
    help="At most this share of right answers may be stopped.",
)
@click.option(
    "--delta", type=float, default=0.1, show_default=True, help="P(the promise does not hold)."
)
@click.option(
    "--signal", default="mmboundary", show_default=True, help="What is read of each step."
)
@click.option(
    "--positions",
    default="sentence",
    show_default=True,
    help="Where steps end: sentence, line, paragraph, entropy or tokens:N.",
)
@click.option(
    "--model", help="Whose drafts these are, as under [[tiers]]; the file is bound to it."
)
@click.option("--no-content-filter", is_flag=True, help="Read every token, as in the settings.")
@click.option("--report", type=_PATH, help="Folder for a picture.")
@click.option("--out", "target", type=_PATH, required=True)
@json_option
def command(
    evidence: Path,
    lost: float,
    delta: float,
    signal: str,
    positions: str,
    model: str | None,
    no_content_filter: bool,
    report: Path | None,
    target: Path,
    as_json: bool,
) -> int:
    """Choose the threshold below which a step is weak, from the labeled evidence file EVIDENCE
    (answers of one model with their tokens, and `correct`), and write it to --out for
    `[steps] gates`.

    \b
    The exit code is 3 where there are too few right answers to promise anything: the threshold is
    0 then, and stops nothing.
    --json prints {"schema", "threshold", "lost", "delta", "drafts", "right_stopped",
    "wrong_stopped", "tokens", "tokens_saved", "auroc", "one_step"}.
    """
    from ..policies.prefix_gate_file import PrefixGateFile, save_prefix_gate, step_reader
    from ..policies.step_fit import fit_steps, least_right, walk
    from .labeled_drafts import read_drafts

    needed = least_right(lost, delta)
    reader = step_reader(signal, positions, content_filter=not no_content_filter)
    read = read_drafts(evidence, partial(walk, reader))
    fit = fit_steps(read.drafts, lost=lost, delta=delta)
    steps = PrefixGateFile(
        "steps",
        signal,
        reader.estimator.version,
        reader.positions.name,
        fit.threshold,
        model,
        not no_content_filter,
        {"lost": lost, "delta": delta, "right": fit.right_stopped.n},
        {"drafts": len(read.drafts), "unlabeled": read.unlabeled, "sha256": read.sha256},
    )
    save_prefix_gate(steps, target)
    if report is not None:
        from ..policies.step_plot import plot_steps

        plot_steps(read.drafts, fit, report / "steps.png")
    if as_json:
        from .streams import print_json

        print_json(_document(fit, len(read.drafts)))
    else:
        _show(fit, len(read.drafts), read.unlabeled, target)
    if fit.right_stopped.n >= needed:
        return 0
    if not as_json:
        click.echo(
            f"nothing can be promised from {fit.right_stopped.n} right answers: it takes {needed}; "
            "label more, or allow more with --lost",
            err=True,
        )
    return _NOT_CERTIFIED


def _document(fit: StepFit, drafts: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "threshold": fit.threshold,
        "lost": fit.lost,
        "delta": fit.delta,
        "drafts": drafts,
        "right_stopped": share_document(fit.right_stopped),
        "wrong_stopped": share_document(fit.wrong_stopped),
        "tokens": fit.tokens,
        "tokens_saved": fit.tokens_saved,
        "auroc": fit.auroc,
        "one_step": fit.one_step,
    }


def _show(fit: StepFit, drafts: int, unlabeled: int, target: Path) -> None:
    from .console import out

    show = partial(out().print, soft_wrap=True)
    show(f"{drafts:,} labeled drafts, {unlabeled:,} without a label left out")
    show(
        f"a step below {fit.threshold:.3f} is weak: with confidence {1 - fit.delta:.0%} at most "
        f"{fit.lost:.1%} of right answers are stopped"
    )
    show(f"right answers stopped here: {share_words(fit.right_stopped)}")
    show(f"wrong answers stopped here: {share_words(fit.wrong_stopped)}")
    saved = fit.tokens_saved / fit.tokens if fit.tokens else 0.0
    show(f"tokens that would not have been written: {fit.tokens_saved:,}, {saved:.1%}")
    if fit.auroc is not None:
        show(f"AUROC of the weakest step: {fit.auroc:.3f}")
    if fit.one_step:
        show(f"answers of one step, which no gate can stop: {fit.one_step:,}")
    show(f"written to {target}")
