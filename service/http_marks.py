"""What every request gets, whatever becomes of it: an id, a line in the log, and its numbers."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..router.drive import new_run_id
from .http_logs import FIELDS
from .http_metrics import Metrics

__all__ = ["Mark", "RequestMarks", "mark_of"]

_LOG = logging.getLogger("surefoot.service")
_ID = re.compile(rb"[\x21-\x7e]{1,64}")
_LEFT = 499
"""What proxies log for a client that left before its answer."""


@dataclass(slots=True)
class Mark:
    """One request on its way.

    Attributes:
        began: monotonic seconds at its arrival.
        request_id: the client's own, else a new one.
        run_id: what its run is called: a new id, and the request's where the client gave none.
        tenant: whose it is, once that is known.
        route: the path as it was configured, for metrics; "other" for one that there is not.
    """

    began: float
    request_id: str
    run_id: str
    tenant: str = ""
    route: str = "other"


def mark_of(scope: Scope) -> Mark:
    """The mark that `RequestMarks` has put on a request."""
    mark = scope["surefoot"]
    assert isinstance(mark, Mark)
    return mark


class RequestMarks:
    """Pure ASGI around the application: nothing of bodies is held or copied.

    Attributes:
        active: requests that have come and are not fully answered.

    Args:
        clock: monotonic seconds.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.active = 0
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        mark = scope["surefoot"] = _marked(scope, self._clock())
        status = _LEFT

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", mark.request_id.encode()))
            await send(message)

        self.active += 1
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send_marked)
        finally:
            self.active -= 1
            self._metrics.in_flight.dec()
            self._note(mark, str(scope["method"]), status)

    def _note(self, mark: Mark, method: str, status: int) -> None:
        took_s = self._clock() - mark.began
        self._metrics.requests.labels(mark.route, str(status)).inc()
        self._metrics.duration.observe(took_s)
        # Never what was asked or answered: ids, and numbers.
        fields = {
            "request": mark.request_id,
            "run": mark.run_id,
            "tenant": mark.tenant or "-",
            "method": method,
            "route": mark.route,
            "status": status,
            "ms": round(took_s * 1e3, 1),
        }
        _LOG.info(
            "request=%(request)s run=%(run)s tenant=%(tenant)s method=%(method)s route=%(route)s "
            "status=%(status)d ms=%(ms).1f",
            fields,
            extra={FIELDS: fields},
        )


def _marked(scope: Scope, now: float) -> Mark:
    run_id = new_run_id()
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return Mark(now, value.decode("ascii"), run_id)
    return Mark(now, run_id, run_id)
