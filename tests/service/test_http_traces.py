"""The service's runs reach a collector that speaks OTLP, and a collector that is down holds up
nothing."""

from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from surefoot.adapters.telemetry_otel import otlp_provider
from surefoot.router.errors import MissingExtra

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from .serving import CITY, running_service

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACED = '[telemetry]\ntraces = "otlp"\nservice = "tests"\n'


class Collector:
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.data = b""
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                kept.paths.append(self.path)
                kept.data += body
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


async def test_runs_are_sent_as_part_of_the_callers_trace(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    async with running_upstream() as upstream:
        toml = configuration(("small", "ok", upstream.base_url))
        async with running_service(tmp_path, toml + TRACED) as service:
            found = await service.client.post(
                "/v1/chat/completions", json=CITY, headers={"traceparent": PARENT}
            )
    assert set(collector.paths) == {"/v1/traces"}
    for words in ("invoke_workflow surefoot", "chat ok", "tests"):
        assert words.encode() in collector.data
    assert found.headers["x-surefoot-run"].encode() in collector.data
    assert bytes.fromhex(PARENT.split("-")[1]) in collector.data
    assert b"Paris" not in collector.data and b"Which city" not in collector.data


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingExtra, match=r"surefoot\[otel\]"):
        otlp_provider("x")
