"""Which run a request became."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["RequestIds"]

_PREFIXES = ("chatcmpl-", "cmpl-")


class RequestIds:
    """Which run a request became, for ids that clients chose themselves; the latest ones."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._runs: OrderedDict[tuple[str, str], str] = OrderedDict()

    def note(self, tenant: str, request_id: str, run_id: str) -> None:
        """Remember a request whose id is not its run's."""
        if request_id != run_id:
            self._runs[tenant, request_id] = run_id
            self._runs.move_to_end((tenant, request_id))
            if len(self._runs) > self._most:
                self._runs.popitem(last=False)

    def run_of(self, tenant: str, name: str) -> str:
        """The run's id, from its own, a completion's or a request's."""
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        return self._runs.get((tenant, name), name)
