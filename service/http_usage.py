"""`GET /v1/usage`: the limits of the caller's own key, and what it has spent of them."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .http_auth import Caller
from .http_errors import json_response
from .http_gateway import Gateway

__all__ = ["usage"]


async def usage(gateway: Gateway, request: Request) -> Response:
    """Nothing of any other key."""
    caller, _ = gateway.welcome(request, "/v1/usage")
    await gateway.admit_reading(caller)
    document = {
        "object": "surefoot.usage",
        "key": caller.name,
        "tenant": caller.tenant,
        "requests_per_minute": caller.requests_per_minute,
        "max_cost": caller.max_cost,
        "max_risk": caller.max_risk,
        "spending": await _spending(gateway, caller),
    }
    return json_response(document)


async def _spending(gateway: Gateway, caller: Caller) -> dict[str, Any] | None:
    known = await gateway.spending.stands(caller)
    if known is None or caller.max_spend is None:
        return None
    hold, period = known
    return {
        "limit": caller.max_spend,
        "per": caller.spend_per,
        "spent": hold.spent,
        "held": hold.held,
        "left": max(0.0, caller.max_spend - hold.spent - hold.held),
        "began_at": period.began.isoformat(),
        "ends_at": period.ends.isoformat(),
    }
