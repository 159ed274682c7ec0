"""The service's log: one line a record, in words or as a JSON object."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

__all__ = ["FIELDS", "JsonLines", "set_up_logs"]

FIELDS = "surefoot_fields"
"""Name of the extra that holds a record's fields."""


class JsonLines(logging.Formatter):
    """Records as JSON objects: `at`, `level`, `logger`, `message`, and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        found: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            found["error"] = self.formatException(record.exc_info)
        return orjson.dumps(found, default=str).decode()


def set_up_logs(form: Literal["text", "json"]) -> None:
    """Write the log of the process to standard error."""
    handler = logging.StreamHandler()
    if form == "json":
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # A line for each upstream call, with its URL: the decision's trail says more.
    logging.getLogger("httpx").setLevel(logging.WARNING)
