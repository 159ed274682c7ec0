"""A cascade of three tiers on local models: the cheapest that is sure enough answers.

    python examples/three_tiers.py

The first two tiers are one model: asked plainly, which takes few tokens, and with examples of how
to answer, which takes many. Prints a line a question: who answered, how sure, after how many calls,
at what cost. Needs the extra `local` and the packages of weights. The thresholds are uncalibrated,
so nothing is promised of the answers; these models know little.
"""

from __future__ import annotations

from surefoot import Result, build, parse_settings

SETTINGS = """
[[tiers]]
name = "plain"
model = "local:smollm2-135m"
prompt = "chat"
price = { input = 0.1, output = 0.1 }
[[tiers]]
name = "examples"
model = "local:smollm2-135m"
price = { input = 0.1, output = 0.1 }
[[tiers]]
name = "large"
model = "local:gemma3-270m"
price = { input = 0.3, output = 0.3 }
[signals]
free = ["min_token_prob"]
[policy]
thresholds = { plain = 0.85, examples = 0.7, large = 0.3 }
[retrieval]
enabled = false
[history]
url = "none"
"""
QUESTIONS = (
    "What is the capital of France?",
    "What is the largest planet of the solar system?",
    "Who wrote Hamlet?",
    "Which city hosted the Summer Olympics in 1964?",
)


def main() -> list[Result]:
    """Ask all questions, print how each ended."""
    built = build(parse_settings(SETTINGS))
    found: list[Result] = []
    with built.router as router:
        for question in QUESTIONS:
            result = router.ask_sync(question)
            found.append(result)
            who = "nobody" if result.tier is None else built.names[result.tier]
            sure = "" if result.confidence is None else f"{result.confidence:.2f} sure, "
            answer = result.answer or "I do not know."
            print(f"{question:<50} {answer[:30]:<32}", end="")
            print(f"{who}: {sure}{result.calls} calls, {result.cost:.2e}")
    total = sum(one.cost for one in found)
    print(f"{sum(one.tier is not None for one in found)} of {len(found)} answered for {total:.2e}")
    return found


if __name__ == "__main__":
    main()
