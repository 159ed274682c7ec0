"""`surefoot critic train`, `recalibrate` and `eval`: the local critic, made and measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import json_option, seed_option

if TYPE_CHECKING:
    from ..router.critic.states import AcceptLabel

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.group("critic", short_help="train, recalibrate or evaluate the local critic")
def command() -> None:
    """The local critic: whether an answer is right, and whether its passages suffice."""


@command.command("train")
@click.argument("states", type=_PATH, nargs=-1, required=True)
@click.option("--out", "target", type=_PATH, required=True, help="Folder of the critic.")
@click.option(
    "--kind",
    type=click.Choice(["features", "torch"]),
    default="features",
    show_default=True,
    help="Trees over features, in seconds; or a text encoder with them, in minutes.",
)
@click.option(
    "--base", help="Encoder of a torch critic: package:NAME or transformers:NAME_OR_PATH."
)
@click.option("--full", is_flag=True, help="Fine-tune the encoder too; else only what is on top.")
@click.option("--device", help="Where a torch critic is trained: cpu, cuda, mps.")
@click.option(
    "--accept-cost",
    type=click.FloatRange(min=0.0, min_open=True),
    help="Weight of a wrong answer against a right one in training p_accept.",
)
@click.option(
    "--label",
    type=click.Choice(["accept", "em"]),
    default="accept",
    show_default=True,
    help="What counts as right: other words for it too, or an exact match alone.",
)
@seed_option
@json_option
def train(
    states: tuple[Path, ...],
    target: Path,
    kind: str,
    base: str | None,
    full: bool,
    device: str | None,
    accept_cost: float | None,
    label: str,
    seed: int,
    as_json: bool,
) -> None:
    """Train a critic on STATES, files made by `surefoot practice`.

    All states of a question stay together; nothing is thrown away to balance right and wrong.
    Probabilities are calibrated per round on questions that the critic did not see. Of what the
    states have no labels for (50 of either kind at least), the shipped critic's head is kept.

    With --json: {"kind", "out", "version", "states", "questions", "seconds", "metrics": {"accept",
    "sufficient"}}.
    """
    from .critic_train_run import Asked, run_train

    asked = Asked(states, target, kind, base, full, device, accept_cost, label, seed)
    run_train(asked, as_json=as_json)


@command.command("recalibrate")
@click.argument("states", type=_PATH, nargs=-1, required=True)
@click.option("--model", default="default", help="Folder of a critic; the shipped one by default.")
@click.option("--out", "target", type=_PATH, required=True, help="Folder of the new critic.")
@click.option("--device", help="Where a torch critic runs: cpu, cuda, mps.")
@click.option(
    "--label",
    type=click.Choice(["accept", "em"]),
    help="What counts as right; else what the critic was trained on.",
)
@seed_option
@json_option
def recalibrate(
    states: tuple[Path, ...],
    model: str,
    target: Path,
    device: str | None,
    label: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Bend a critic's probabilities to STATES of your own; a hundred labels will do.

    The order of states does not change, only what is stated of them: slope and offset of the log
    odds, for each pool of rounds with 50 states of either kind, else for all. States should be of
    many questions, drawn as they come. The critic itself is left as it is.

    With --json: {"out", "version", "from", "states", and for "accept" and "sufficient" "..._n",
    "..._prior", "..._ece_before", "..._ece_after", "..._why"}; ece_after is out of fold.
    """
    from .critic_recalibrate_run import run_recalibrate

    run_recalibrate(states, model, target, device, label, seed, as_json=as_json)


@command.command("eval")
@click.argument("states", type=_PATH, nargs=-1, required=True)
@click.option("--model", help="Folder of a critic; the shipped one by default.")
@click.option("--out", "target", type=_PATH, help="The states, with p_accept and p_sufficient.")
@click.option("--report", type=_PATH, help="Folder for eval.json and plots.")
@click.option("--device", help="Where a torch critic runs: cpu, cuda, mps.")
@click.option(
    "--precision",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    default=0.8,
    show_default=True,
    help="Share right of what is accepted that a threshold is certified for.",
)
@click.option(
    "--delta",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    help="Chance that the certificate is wrong.",
)
@click.option(
    "--label",
    type=click.Choice(["accept", "em"]),
    help="What counts as right; else what the critic was trained on.",
)
@click.option(
    "--drift-level",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Chance that a drift of features is seen where there is none.",
)
@seed_option
@json_option
def evaluate(
    states: tuple[Path, ...],
    model: str | None,
    target: Path | None,
    report: Path | None,
    device: str | None,
    precision: float,
    delta: float,
    label: AcceptLabel | None,
    drift_level: float,
    seed: int,
    as_json: bool,
) -> None:
    """Judge STATES and measure how good the judgments are, where labels are known.

    Accuracies stand beside that of refusing everything, areas beside that of the round number
    alone. As a stop policy: share right, model calls and passages at each threshold, beside fixed
    numbers of rounds and the best with hindsight. A threshold for --precision is certified on half
    of the questions and tried on the other half. Evaluate on questions that the critic was not
    trained on. Labels or not, features are compared with those of the states that the critic was
    fitted on, and it is said where they are not alike.

    With --json one flat object; areas and errors are null where they do not exist:
    {"states", "questions", "version", "seconds", "ms_per_state", "truncated", "accept_n",
    "accept_base_rate", "accept_always_reject", "accept_accuracy", "accept_precision",
    "accept_recall", "accept_auroc_within", "accept_auroc_within_interval", "accept_auroc_pooled",
    "accept_auroc_round", "accept_brier", "accept_ece", "accept_ece_by_round", "accept_strata",
    "accept_threshold", the same for "sufficient_...", "accept_label", "transfer", "stop_curve",
    "stop_rules", "certified", "drift": {"status", "words", "level", "comparisons",
    "largest_index", "rounds", "features", "foreign"}}. Seconds are of CPU.
    """
    from .critic_eval_run import Asked, run_eval

    asked = Asked(states, model, target, report, device, precision, delta, seed, label, drift_level)
    run_eval(asked, as_json=as_json)
