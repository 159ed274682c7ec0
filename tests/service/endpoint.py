"""A small OpenAI-compatible server on a loopback port that says what a test wants."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Says:
    """An answer whose every word has probability `p`; any other `status` than 200 is an error."""

    text: str
    p: float = 0.9
    status: int = 200
    finish_reason: str = "stop"


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    model: str
    question: str
    shown: str


Answers = dict[tuple[str, str], Says]
"""By model and question; a question of "" stands for every other one."""


@dataclass
class Endpoint:
    """The server, on while in a `with` block.

    Attributes:
        answers: what to say.
        before: called before each answer; it may wait, or break something.
        asked: the requests so far.
    """

    answers: Answers
    before: Callable[[Asked], None] | None = None
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Endpoint:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def models(self) -> list[str]:
        """Which model was asked, in order."""
        return [asked.model for asked in self.asked]

    def say(self, asked: Asked) -> Says:
        """The answer to a request."""
        found = self.answers.get((asked.model, asked.question))
        return found or self.answers.get((asked.model, ""), Says("I do not know", 0.1))


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            messages = body["messages"]
            asked = Asked(
                body["model"],
                messages[-1]["content"],
                "\n".join(f"{each['role']}: {each['content']}" for each in messages),
            )
            endpoint.asked.append(asked)
            if endpoint.before is not None:
                endpoint.before(asked)
            said = endpoint.say(asked)
            reply = _completion(said, body) if said.status == 200 else {"error": "broken"}
            content = json.dumps(reply).encode()
            try:
                self.send_response(said.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # a test has ended the one who asked

        def log_message(self, format: str, *args: object) -> None:
            """The test's output is no log."""

    return Handler


def _completion(said: Says, body: dict[str, Any]) -> dict[str, Any]:
    words = [word if i == 0 else f" {word}" for i, word in enumerate(said.text.split(" "))]
    other = math.log(max(1e-9, 1.0 - said.p))
    content = [
        {
            "token": word,
            "logprob": math.log(said.p),
            "top_logprobs": [
                {"token": word, "logprob": math.log(said.p)},
                {"token": "~", "logprob": other},
            ],
        }
        for word in words
    ]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": said.text},
        "finish_reason": said.finish_reason,
        "logprobs": {"content": content},
    }
    return {
        "choices": [{**choice, "index": i} for i in range(body.get("n", 1))],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
    }
