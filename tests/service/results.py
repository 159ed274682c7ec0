"""Results made by hand, with everything that a trail can hold, and the files they are held to."""

from __future__ import annotations

import os
from pathlib import Path

from surefoot.router.decisions import (
    Action,
    Alternative,
    Attempt,
    Comparison,
    Result,
    TrailStep,
)
from surefoot.router.evidence import Passage
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable

GOLDEN = Path(__file__).with_name("golden")
NAMES = ("small", "large")
SIGNALS: dict[str, Reading] = {
    "perplexity": Signal("perplexity", 0.41, 0.41),
    "g_nll": Signal("g_nll", 0.38, 0.97, "uncertainty"),
    "lexical_support": Unavailable("there are no passages"),
}
SMALL = Attempt(
    "1",
    0,
    0,
    False,
    "Johann Lambert",
    "stop",
    2e-6,
    0.5,
    SIGNALS,
    {"self_consistency": 1e-5},
    Estimate(0.44, "self_consistency", True, "c0ffee"),
)
LARGE = Attempt(
    "2", 1, 1, True, "Mina Korhonen", "stop", 4e-6, 1.25, SIGNALS, {}, Estimate(0.85, "perplexity")
)
TRAIL = (
    TrailStep(1, "recall", None, "failed (store): redis: gone", elapsed_s=0.01),
    TrailStep(
        2,
        "draft",
        0,
        "Johann Lambert",
        SIGNALS,
        Estimate(0.62, "perplexity", True, "c0ffee"),
        (Comparison("estimate", 0.62, ">=", 0.5), Comparison("estimate", 0.62, "<", 0.75)),
        (Alternative(Action.ANSWER, 0, 0.0, 0.0), Alternative(Action.ESCALATE, 1, 4e-6, 1.0)),
        "buy",
        "0.62 is near the threshold; self_consistency costs at most 1e-05",
        2e-6,
        0.5,
    ),
    TrailStep(
        3,
        "sample x5",
        0,
        "5 answers",
        SMALL.signals,
        SMALL.estimate,
        (Comparison("self_consistency", 0.44, "<", 0.75),),
        (
            Alternative(Action.RETRIEVE, None, 2e-6, 0.5),
            Alternative(Action.ESCALATE, 1, 4e-6, 1.0),
            Alternative(Action.ABSTAIN, None, 0.0, 0.0),
        ),
        "retrieve",
        "small is 0.44 sure, 0.75 is asked for; passages may help",
        1e-5,
        1.5,
    ),
    TrailStep(
        4, "retrieve 3 for: the Olbers lamp", None, "2 passages: Lamps, Olbers", elapsed_s=0.02
    ),
    TrailStep(
        5,
        "draft from 2 passages",
        0,
        "an empty answer",
        {"perplexity": Unavailable("empty answer")},
        Unavailable("empty answer"),
        (),
        (Alternative(Action.RETRIEVE, None, 0.0, 0.0, "all 1 rounds of retrieval are used"),),
        "escalate",
        "no estimate: empty answer; large may know",
        None,
        0.4,
    ),
    TrailStep(
        6,
        "draft from 2 passages",
        1,
        "Mina Korhonen",
        SIGNALS,
        LARGE.estimate,
        (Comparison("perplexity", 0.85, ">=", 0.6),),
        (Alternative(Action.ANSWER, 1, 0.0, 0.0),),
        "answer",
        "large is 0.85 sure (perplexity, not calibrated), at least the 0.60 asked for",
        4e-6,
        1.25,
    ),
    TrailStep(7, "record", None, "kept", elapsed_s=0.01),
)
ANSWERED = Result(
    "run-1",
    "Who invented the Olbers lamp?",
    Action.ANSWER,
    "Mina Korhonen",
    0.85,
    "large is 0.85 sure (perplexity, not calibrated), at least the 0.60 asked for",
    1,
    "openai:large-model",
    1,
    1.6e-5,
    3.69,
    8,
    1234,
    LARGE,
    (SMALL, LARGE),
    (Passage("p1", "Lamps", "The Olbers lamp is by Mina Korhonen.", 3.5),),
    ("history: redis: gone", "history: redis: gone"),
    TRAIL,
)
# What a model says may hold what terminals obey, and what looks like this library's markup.
HOSTILE = "[bold]Paris[/] :smile: \x1b[31mred\x07 [/nothing]"
ABSTAINED = Result(
    "run-2",
    HOSTILE,
    Action.ABSTAIN,
    None,
    None,
    f"no estimate: {HOSTILE}",
    None,
    None,
    0,
    0.0,
    0.5,
    1,
    90,
    Attempt("1", 0, 0, False, HOSTILE, "stop", 0.0, 0.5),
    (),
    (),
    (f"retriever: {HOSTILE}",),
    (
        TrailStep(
            1,
            "draft",
            0,
            HOSTILE,
            {},
            Unavailable(HOSTILE),
            (),
            (),
            "abstain",
            f"no estimate: {HOSTILE}",
            0.0,
            0.5,
        ),
    ),
)


def check_golden(name: str, found: str) -> None:
    """The text is that of the file; with SUREFOOT_WRITE_GOLDEN=1 it becomes it, for a look."""
    path = GOLDEN / name
    if os.environ.get("SUREFOOT_WRITE_GOLDEN") == "1":
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8"), f"{path} differs; see check_golden"
