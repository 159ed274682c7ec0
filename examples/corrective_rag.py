"""Corrective RAG as a LangGraph graph of your own, gated in five lines, with two local models.

    python examples/corrective_rag.py
    python examples/corrective_rag.py "Which module parses command-line options?"

The graph drafts closed book with the small model; where that is not sure enough it searches the
documentation of Python's standard library and drafts again, then asks the larger model, then says
that it does not know. Prints every step with its confidence, and the answer, which such models
often do not know. Needs the extra `local` and the packages of weights; nothing is sent anywhere.
The thresholds are uncalibrated: `surefoot fit` finds ones with a meaning.
"""

from __future__ import annotations

import sys
from typing import Any, TypedDict

from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph

from surefoot import RouterChatModel, build, parse_settings
from surefoot.graphs.decision_nodes import decide_edge, decide_node
from surefoot.graphs.document_retriever import DocumentRetriever

# A model that answers whatever it drafted: the graph judges, and not the model's own gate.
MODEL = """
[[tiers]]
name = "{name}"
model = "local:{name}"
price = {{ input = 0.0, output = 0.0 }}
[policy]
thresholds = {{ {name} = 0.0 }}
[retrieval]
enabled = false
[history]
url = "none"
"""
GATE = """
[[tiers]]
name = "smollm2-135m"
model = "caller:smollm2-135m"
price = { input = 0.1, output = 0.1 }
[[tiers]]
name = "gemma3-270m"
model = "caller:gemma3-270m"
price = { input = 0.2, output = 0.2 }
[signals]
free = ["min_token_prob"]
[policy]
thresholds = { smollm2-135m = 0.8, gemma3-270m = 0.4 }
[retrieval]
caller = true
[history]
url = "none"
"""
QUESTION = "Which module of the standard library reads and writes comma-separated values?"


class State(TypedDict, total=False):
    """What the graph knows."""

    question: str
    documents: list[Document]
    answer: AIMessage
    tier: str
    decision: dict[str, Any] | None


def chat_model(name: str) -> RouterChatModel:
    """A local model as a LangChain chat model, with logprobs."""
    return RouterChatModel.of(build(parse_settings(MODEL.format(name=name))), logprobs=True)


def main(question: str) -> State:
    """Build the graph, ask it, print what it did."""
    models = {name: chat_model(name) for name in ("smollm2-135m", "gemma3-270m")}
    with_documents = MODEL.format(name="smollm2-135m").replace("enabled = false", "")
    searched = build(parse_settings(with_documents))
    gate = build(parse_settings(GATE))
    retriever = DocumentRetriever(search=searched.retriever, k=2)

    def ask(name: str, state: State) -> State:
        found = "\n".join(one.page_content[:300] for one in state.get("documents", []))
        shown = f"{found}\n\n{state['question']}" if found else state["question"]
        return {"answer": models[name].invoke(shown), "tier": name, "decision": None}

    def search(state: State) -> State:
        return {"documents": retriever.invoke(state["question"])}

    graph = StateGraph(State)
    graph.add_node("draft", lambda state: ask("smollm2-135m", state))
    graph.add_node("search", search)
    graph.add_node("ask_larger", lambda state: ask("gemma3-270m", state))
    graph.add_edge(START, "draft")
    graph.add_edge("search", "draft")
    # The gate: a node that decides, and an edge that goes by it.
    edge = decide_edge(answer=END, retrieve="search", escalate="ask_larger", abstain=END)
    graph.add_node("decide", decide_node(gate.router, gate.names))
    graph.add_edge("draft", "decide")
    graph.add_edge("ask_larger", "decide")
    graph.add_conditional_edges("decide", edge)

    state: State = {"question": question}
    print(question)
    for step in graph.compile().stream(state, stream_mode="updates"):
        for name, update in step.items():
            state |= update
            print(f"  {name:<10} {_words(name, update)}")
    decision = state["decision"]
    assert decision is not None
    answered = decision["action"] == "answer"
    print("answer:", state["answer"].text if answered else "I do not know.")
    for model in models.values():
        model.close()
    for one in (searched, gate):
        one.router.close()
    return state


def _words(name: str, update: State) -> str:
    if name == "search":
        return ", ".join(one.metadata["title"] for one in update["documents"])
    decision = update.get("decision")
    if decision is not None:
        return f"{decision['action']}: {decision['reason']}"
    return f"{update['tier']}: {update['answer'].text!r}"


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or QUESTION)
