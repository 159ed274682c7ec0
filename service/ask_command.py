"""`surefoot ask`: one gated answer, with the decision trail."""

from __future__ import annotations

from pathlib import Path

import click

from ..router.budget import Budget
from ..router.errors import UsageError
from .common import ABSTAINED, Choices, built
from .options import config_option, docs_option, history_option, json_option

__all__ = ["command"]


@click.command("ask", short_help="one gated answer")
@click.argument("question")
@config_option
@docs_option
@history_option
@click.option("--thread", help="Continue this conversation: earlier turns are shown if needed.")
@click.option("--max-cost", type=float, help="Money budget of this question.")
@click.option("--deadline", type=float, help="Time budget of this question, in seconds.")
@json_option
def command(
    question: str,
    config: Path | None,
    docs: Path | None,
    history: str | None,
    thread: str | None,
    max_cost: float | None,
    deadline: float | None,
    as_json: bool,
) -> int:
    """Ask QUESTION and print the answer with its trail.

    Ends with exit code 0 when it was answered and 4 when Surefoot abstained.
    """
    from ..router.decisions import Action, TrailStep
    from ..router.perform import Session
    from .console import out, print_json
    from .documents import ask_document
    from .screen import result_panel, show_step

    if not question.strip():
        raise UsageError("the question is empty; ask something")
    with built(Choices(config, docs, history)) as deployment:
        console, names = out(), deployment.names

        def on_step(step: TrailStep) -> None:
            if not as_json:
                show_step(console, step, names)

        result = deployment.router.ask_sync(
            question,
            session=Session(thread=thread),
            budget=_budget(deployment.router.plan.budget, max_cost, deadline),
            on_step=on_step,
        )
        if as_json:
            print_json(ask_document(result, names))
        else:
            console.print(result_panel(result, names))
    return 0 if result.action is Action.ANSWER else ABSTAINED


def _budget(configured: Budget, max_cost: float | None, deadline_s: float | None) -> Budget:
    from dataclasses import replace

    for name, value in (("--max-cost", max_cost), ("--deadline", deadline_s)):
        if value is not None and not 0.0 <= value < float("inf"):
            raise UsageError(f"{name} is {value}; it must be a finite number from 0")
    if max_cost is not None:
        configured = replace(configured, max_cost=max_cost)
    if deadline_s is not None:
        configured = replace(configured, deadline_s=deadline_s)
    return configured
