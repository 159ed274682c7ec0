"""`surefoot fit-live`: when one tier's drafts may be shown while they are written."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import json_option
from .shares import share_document, share_words

if TYPE_CHECKING:
    from ..policies.release_fit import ReleaseFit

__all__ = ["command"]

_NOT_CERTIFIED = 3
_PATH = click.Path(path_type=Path)


@click.command("fit-live", short_help="when a draft may be shown while it is written")
@click.argument("evidence", type=_PATH)
@click.option(
    "--risk",
    type=float,
    default=0.1,
    show_default=True,
    help="At most this share of what is shown live may be wrong.",
)
@click.option(
    "--delta", type=float, default=0.1, show_default=True, help="P(the promise does not hold)."
)
@click.option(
    "--signal", default="perplexity", show_default=True, help="What is read of a draft's beginning."
)
@click.option(
    "--positions",
    default="sentence",
    show_default=True,
    help="Where it is read: sentence, line, paragraph, entropy or tokens:N.",
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
    risk: float,
    delta: float,
    signal: str,
    positions: str,
    model: str | None,
    no_content_filter: bool,
    report: Path | None,
    target: Path,
    as_json: bool,
) -> int:
    """Choose how sure the beginning of a draft must be for it to be shown while it is written, from
    the labeled evidence file EVIDENCE (answers of one model with their tokens, and `correct`), and
    write it to --out for `[live] gates`.

    \b
    The exit code is 3 where no threshold keeps the promise: nothing is written then.
    --json prints {"schema", "threshold", "risk", "delta", "p_value", "drafts", "shown", "wrong",
    "wrong_overall", "tokens", "tokens_live", "auroc", "one_step", "retrieved"}.
    """
    from ..policies.prefix_gate_file import PrefixGateFile, save_prefix_gate, step_reader
    from ..policies.release_fit import fit_release, read_prefixes
    from ..router.errors import BadInput
    from .labeled_drafts import read_drafts

    reader = step_reader(signal, positions, content_filter=not no_content_filter)
    read = read_drafts(evidence, partial(read_prefixes, reader))
    if 0 < read.retrieved < len(read.drafts):
        raise BadInput(
            f"{read.retrieved} of {len(read.drafts)} labeled drafts were shown passages, and the "
            "others not: they are judged apart; give one file of each kind",
            file=str(evidence),
            field="passages",
        )
    fit = fit_release(read.drafts, alpha=risk, delta=delta)
    retrieved = bool(read.retrieved)
    if fit.threshold is not None:
        gate = PrefixGateFile(
            "live",
            signal,
            reader.estimator.version,
            reader.positions.name,
            fit.threshold,
            model,
            not no_content_filter,
            {"risk": risk, "delta": delta, "shown": fit.shown.k},
            {"drafts": len(read.drafts), "unlabeled": read.unlabeled, "sha256": read.sha256},
            retrieved,
        )
        save_prefix_gate(gate, target)
    if report is not None:
        from ..policies.release_plot import plot_release

        plot_release(read.drafts, fit, report / "live.png")
    if as_json:
        from .streams import print_json

        print_json(_document(fit, len(read.drafts), retrieved))
    else:
        _show(fit, len(read.drafts), read.unlabeled, target)
    return 0 if fit.threshold is not None else _NOT_CERTIFIED


def _document(fit: ReleaseFit, drafts: int, retrieved: bool) -> dict[str, Any]:
    return {
        "schema": 1,
        "threshold": fit.threshold,
        "risk": fit.alpha,
        "delta": fit.delta,
        "p_value": fit.p_value,
        "drafts": drafts,
        "shown": share_document(fit.shown),
        "wrong": share_document(fit.wrong),
        "wrong_overall": share_document(fit.wrong_overall),
        "tokens": fit.tokens,
        "tokens_live": fit.tokens_live,
        "auroc": fit.auroc,
        "one_step": fit.one_step,
        "retrieved": retrieved,
    }


def _show(fit: ReleaseFit, drafts: int, unlabeled: int, target: Path) -> None:
    from ..router.risk.fixed_sequence import least_accepted
    from .console import out

    show = partial(out().print, soft_wrap=True)
    show(f"{drafts:,} labeled drafts, {unlabeled:,} without a label left out")
    show(f"wrong of all: {share_words(fit.wrong_overall)}")
    if fit.auroc is not None:
        show(f"AUROC of the surest beginning: {fit.auroc:.3f}")
    if fit.one_step:
        show(f"drafts that end before anything is judged, never shown live: {fit.one_step:,}")
    if fit.threshold is None:
        needed = least_accepted(fit.alpha, fit.delta)
        click.echo(
            f"no threshold can be promised to keep what is shown within {fit.alpha:.1%} wrong: it "
            f"takes {needed} sure drafts without an error, and more with some; label more, allow "
            "more with --risk, or try another --signal. Nothing was written",
            err=True,
        )
        return
    show(
        f"shown from {fit.threshold:.3f} on: with confidence {1 - fit.delta:.0%} at most "
        f"{fit.alpha:.1%} of what is shown live is wrong"
    )
    show(f"shown while written: {share_words(fit.shown)}")
    show(f"wrong of these: {share_words(fit.wrong)}")
    live = fit.tokens_live / fit.tokens if fit.tokens else 0.0
    show(f"tokens that come live: {fit.tokens_live:,}, {live:.1%}")
    show(f"written to {target}")
