"""What the gate would abstain on goes to a person: a graph that waits, on a local model.

    python examples/human_review.py                 # asks you on the terminal
    python examples/human_review.py --say "Oslo"    # says this in your place

The graph asks the router; an answer that it lets through ends the run, an abstention interrupts it,
with the best draft beside it, until somebody has decided. The state lies in a checkpointer, so the
answer may come days later, from another process. Needs the extra `local` and the packages of
weights.
"""

from __future__ import annotations

import argparse
from typing import Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from surefoot import build, parse_settings

SETTINGS = """
[[tiers]]
name = "small"
model = "local:smollm2-135m"
price = { input = 0.1, output = 0.1 }
[signals]
free = ["min_token_prob"]
[policy]
thresholds = { small = 0.75 }
[retrieval]
enabled = false
[history]
url = "none"
"""
QUESTIONS = ("What is the capital of France?", "Who was the third mayor of Hamar in Norway?")


class State(TypedDict, total=False):
    """What the graph knows."""

    question: str
    answer: str | None
    draft: str | None
    reason: str
    by: str


def main(say: str | None = None) -> list[State]:
    """Ask both questions; the second one needs a person."""
    built = build(parse_settings(SETTINGS))

    async def ask(state: State) -> State:
        result = await built.router.ask(state["question"])
        draft = None if result.best is None else result.best.text
        return {"answer": result.answer, "draft": draft, "reason": result.reason, "by": "the model"}

    def review(state: State) -> State:
        if state["answer"] is not None:
            return {}
        asked = {name: state[name] for name in ("question", "draft", "reason")}  # type: ignore[literal-required]  # three of its keys
        return {"answer": interrupt(asked), "by": "a person"}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_node("review", review)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "review")
    graph.add_edge("review", END)
    answering = graph.compile(checkpointer=InMemorySaver())
    found = [_answered(answering, question, say) for question in QUESTIONS]
    built.router.close()
    return found


def _answered(answering: Any, question: str, say: str | None) -> State:
    import asyncio

    thread = {"configurable": {"thread_id": question}}
    state = asyncio.run(answering.ainvoke({"question": question}, thread))
    for waiting in state.get("__interrupt__", ()):
        told = waiting.value
        print(f"{told['question']}\n  draft: {told['draft']!r}\n  {told['reason']}")
        answer = say if say is not None else input("  your answer: ")
        state = asyncio.run(answering.ainvoke(Command(resume=answer), thread))
    print(f"{question}\n  {state['answer']}, says {state['by']}")
    found: State = state
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--say", help="An answer in place of a person's.")
    main(parser.parse_args().say)
