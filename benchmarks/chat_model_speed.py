"""What `RouterChatModel` adds to the router behind it: `python benchmarks/chat_model_speed.py`.

CPU time of the process, milliseconds a call, minimum and median of rounds. The tier answers at
once, in process. LangChain's own part is that of any chat model: a fake one in the same run shows
it. cascadeflow's wrapper around such a model is measured beside it where it is installed.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from surefoot import RouterChatModel
from surefoot.graphs.caller_prompter import CallerPrompter
from surefoot.graphs.prompter import TemplatePrompter
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.callers import CallerRequest
from surefoot.router.drive import Router
from surefoot.router.estimators.catalogue import estimator
from surefoot.router.perform import Performer
from surefoot.router.plan import Plan, TierPlan
from surefoot.router.protocols import Message
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import FunctionModel, says

CALLS, ROUNDS = 300, 9
QUESTION = "What is the capital of France?"
ANSWER = says(" ".join(["Paris"] * 40), 0.9)


def router() -> Router:
    """One tier that is always sure enough, and answers in forty tokens."""
    prompter = TemplatePrompter(("chat",))
    plan = Plan(
        tiers=(TierPlan("small", "m"),),
        policy=ThresholdPolicy((RungRule(0, 0.5),), ("small",)),
        assessor=BareAssessor(("perplexity",)),
        sizer=PromptSizer(prompter),
        free=(estimator("perplexity"),),
    )
    performer = Performer(plan, (FunctionModel(lambda call: ANSWER),), prompter)
    return Router(plan, performer, callers=lambda one: CallerPrompter(one, (True,), prompter))


async def measured(call: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Milliseconds of CPU a call: minimum and median of the rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            await call()
        found.append((time.process_time() - began) / CALLS * 1e3)
    return min(found), median(found)


def fake() -> GenericFakeChatModel:
    """A LangChain model that gives the same answer, with its logprobs."""
    entries = [
        {"token": one.token, "logprob": one.logprob, "top_logprobs": []} for one in ANSWER.tokens
    ]
    metadata = {"logprobs": {"content": entries}, "finish_reason": "stop"}
    said = (AIMessage(ANSWER.text, response_metadata=metadata) for _ in itertools.count())
    return GenericFakeChatModel(messages=said)


def cascadeflow() -> Any:
    """Its wrapper, cost tracking off, all drafts accepted; None where it is not installed."""
    try:
        from cascadeflow.integrations.langchain import CascadeFlow
    except ImportError:
        return None
    return CascadeFlow(
        drafter=fake(), verifier=fake(), quality_threshold=0.5, enable_cost_tracking=False
    )


async def main() -> None:
    """Measure all in turn."""
    plain = router()
    request = CallerRequest((Message("user", QUESTION),))
    model = RouterChatModel(router=plain, names=("small",))
    bare, other = fake(), cascadeflow()
    rows: dict[str, Callable[[], Awaitable[Any]]] = {
        "router alone": lambda: plain.respond(request),
        "RouterChatModel": lambda: model.ainvoke(QUESTION),
        "a fake LangChain model": lambda: bare.ainvoke(QUESTION),
    }
    if other is not None:
        rows["cascadeflow around it"] = lambda: other.ainvoke(QUESTION)
    found = {name: await measured(call) for name, call in rows.items()}
    for name, (least, middle) in found.items():
        print(f"{name:<24} {least:.3f} ({middle:.3f}) ms")
    added = found["RouterChatModel"][0] - found["router alone"][0]
    print(f"{'added':<24} {added:.3f} ms")
    await plain.aclose()


if __name__ == "__main__":
    asyncio.run(main())
