"""A gated agent with tools on a local model: a risky call that it is unsure of waits for a person.

    python examples/agent_with_tools.py                    # asks you on the terminal
    python examples/agent_with_tools.py --say approve      # or reject: decides in your place

The model is a small one that only completes text, so `Completing` shows it the conversation as
text with two examples, and reads calls of tools from the line that it writes; put any chat model
that reports logprobs in its place. Reckoning is harmless, and its calls pass. Deleting is declared
a risk: where the model is less sure of the arguments than asked for, the agent waits, with its
state in a checkpointer. Needs the extras `local` and `agents` and the packages of weights.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import operator
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import PrivateAttr

from surefoot import ConfidenceMiddleware, ToolRisk, build, parse_settings
from surefoot.router.protocols import ModelCall, Prompt

SETTINGS = """
[[tiers]]
name = "small"
model = "local:gemma3-270m"
price = { input = 0.1, output = 0.1 }
[policy]
thresholds = { small = 0.5 }
[retrieval]
enabled = false
[history]
url = "none"
"""
EXAMPLES = """An assistant with two tools: calculator reckons, delete_file deletes a file.

Question: What is 12 times 30?
Call: calculator {"expression": "12 * 30"}
Result: 360
Answer: 360

Question: Delete the file old/notes.txt.
Call: delete_file {"path": "old/notes.txt"}
Result: deleted old/notes.txt
Answer: It is deleted.

"""
QUESTIONS = (
    "What is 17 times 23?",
    "Delete the file report.txt.",
    "Delete the file that I wrote on Monday.",
)
_SIGNS = {ast.Mult: operator.mul, ast.Add: operator.add, ast.Sub: operator.sub}


def calculator(expression: str) -> str:
    """Works out a sum, a difference or a product of whole numbers."""

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
            return int(_SIGNS[type(node.op)](value(node.left), value(node.right)))
        raise ValueError("whole numbers and + - * only")

    try:
        return str(value(ast.parse(expression, mode="eval").body))
    except (ValueError, SyntaxError) as error:
        return f"not an expression: {error}"


def delete_file(path: str) -> str:
    """Deletes a file (here it only says so)."""
    return f"deleted {path}"


class Completing(BaseChatModel):
    """A model that completes text, as a chat model that calls tools."""

    _model: Any = PrivateAttr()

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model

    @property
    def _llm_type(self) -> str:
        return "completing"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """The tools stand in the examples."""
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return asyncio.run(self._agenerate(messages, *args, **kwargs))

    async def _agenerate(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> ChatResult:
        call = ModelCall(Prompt(shown(messages), stop=("\n",)), max_tokens=40, top_logprobs=5)
        written = (await self._model.generate(call)).generations[0]
        message = read(written.text.strip(), is_answer=messages[-1].type == "tool")
        entries = [
            {"token": token.token, "logprob": token.logprob, "top_logprobs": []}
            for token in written.tokens
            if token.logprob is not None and not token.special
        ]
        ended = "tool_calls" if message.tool_calls else written.finish_reason
        message.response_metadata = {"logprobs": {"content": entries}, "finish_reason": ended}
        return ChatResult(generations=[ChatGeneration(message=message)])


def shown(messages: list[BaseMessage]) -> str:
    """The conversation in the form of the examples, up to where the model goes on."""
    lines, last = [], ""
    for message in messages:
        if message.type == "human":
            lines, last = [f"Question: {message.text}"], "Call:"
        elif isinstance(message, AIMessage) and message.tool_calls:
            (call,) = message.tool_calls
            lines.append(f"Call: {call['name']} {json.dumps(call['args'])}")
        elif message.type == "tool":
            lines.append(f"Result: {message.text}")
            last = "Answer:"
    return EXAMPLES + "\n".join([*lines, last])


def read(line: str, *, is_answer: bool) -> AIMessage:
    """What the model wrote: an answer, or a call of a tool."""
    name, _, arguments = line.partition(" ")
    if not is_answer and name in ("calculator", "delete_file"):
        try:
            given = json.loads(arguments)
        except ValueError:
            return AIMessage(line)
        call = {"name": name, "args": given, "id": f"call-{name}", "type": "tool_call"}
        return AIMessage("", tool_calls=[call])
    return AIMessage(line)


async def main(say: str | None = None) -> list[dict[str, Any]]:
    """Put all questions to the agent, print what the gate did."""
    router = build(parse_settings(SETTINGS)).router
    gate = ConfidenceMiddleware(
        threshold=0.5, tools=[ToolRisk("delete_file", threshold=0.75)], unmarked="stop"
    )
    agent: Any = create_agent(
        Completing(router.performer.models[0]),
        [calculator, delete_file],
        middleware=[gate],
        checkpointer=InMemorySaver(),
    )
    ends = []
    async with router:
        for number, question in enumerate(QUESTIONS):
            thread = {"configurable": {"thread_id": str(number)}}
            state = await agent.ainvoke({"messages": [("user", question)]}, thread)
            print(question)
            while "__interrupt__" in state:
                (asked,) = state["__interrupt__"][0].value["action_requests"]
                print(f"  unsure: {asked['name']} {json.dumps(asked['args'])}")
                word = say or await asyncio.to_thread(input, "  approve or reject? ")
                kind = "approve" if word.strip().lower().startswith("a") else "reject"
                state = await agent.ainvoke(Command(resume={"decisions": [{"type": kind}]}), thread)
            for message in state["messages"]:
                if message.type == "tool":
                    print(f"  {message.name}: {message.text}")
            decision = state["gate"]
            sure = decision["confidence"]
            words = state["messages"][-1].text
            print(f"  {decision['action']}, {'?' if sure is None else f'{sure:.2f} sure'}: {words}")
            ends.append(state)
    return ends


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--say", choices=["approve", "reject"])
    asyncio.run(main(parser.parse_args().say))
