"""An endpoint that calls the tools that it is offered, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from ..adapters import scripted_upstream
from ..adapters.scripted_upstream import (
    CONTENT,
    Seen,
    Upstream,
    chat_choice,
    http,
    running_upstream,
)

__all__ = ["OBEDIENT", "upstream_in_thread"]

OBEDIENT = "obedient"


def _value(schema: dict[str, Any], question: str) -> Any:
    """What the question says of a property, as well as a page of code can tell."""
    kind = schema.get("type")
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], question)
    if kind in ("integer", "number"):
        return int((re.findall(r"\d+", question) or ["1"])[0])
    if kind == "array":
        return []
    if kind == "boolean":
        return True
    if kind == "object":
        return {}
    foreign = re.findall(r"[^\x00-\x7f]+", question)
    return foreign[0] if foreign else "San Francisco"


def _call(tool: dict[str, Any], question: str) -> dict[str, Any]:
    function = tool["function"]
    properties = function.get("parameters", {}).get("properties", {})
    arguments = {name: _value(schema, question) for name, schema in properties.items()}
    written = json.dumps(arguments, ensure_ascii=False)
    called = {"name": function["name"], "arguments": written}
    return {"id": "call_1", "type": "function", "function": called}


def _obey(seen: Seen, argument: str) -> bytes:
    """Calls the tool that is asked for; any, unless the last message is a tool's result."""
    tools, choice = seen.body.get("tools") or [], seen.body.get("tool_choice", "auto")
    messages = seen.body["messages"]
    asked = str([one["content"] for one in messages if one["role"] == "user"][-1])
    if isinstance(choice, dict):
        tools = [one for one in tools if one["function"]["name"] == choice["function"]["name"]]
    answered = messages[-1]["role"] == "tool" and not isinstance(choice, dict)
    if not tools or choice == "none" or answered:
        return _completion(seen, chat_choice())
    message = {"role": "assistant", "content": None, "tool_calls": [_call(tools[0], asked)]}
    entries = {"content": CONTENT}
    return _completion(
        seen, chat_choice(message=message, logprobs=entries, finish_reason="tool_calls")
    )


def _completion(seen: Seen, choice: dict[str, Any]) -> bytes:
    usage = {"prompt_tokens": 11, "completion_tokens": 2}
    body = {"object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
    return http(200, body)


@contextmanager
def upstream_in_thread() -> Iterator[Upstream]:
    """The scripted upstream with one more behavior, for tests that cannot await."""
    scripted_upstream.BEHAVIORS.setdefault(OBEDIENT, _obey)
    ready: SimpleQueue[tuple[Upstream, Callable[[], object]]] = SimpleQueue()

    async def serve() -> None:
        ending, loop = asyncio.Event(), asyncio.get_running_loop()
        async with running_upstream() as upstream:
            ready.put((upstream, lambda: loop.call_soon_threadsafe(ending.set)))
            await ending.wait()

    # A daemon: one that is kept for the whole test run must not keep the interpreter from ending.
    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    upstream, end = ready.get(timeout=10)
    try:
        yield upstream
    finally:
        end()
        thread.join(timeout=10)
