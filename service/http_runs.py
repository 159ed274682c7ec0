"""One request's run: within its time, its place and its limits, and counted when it has ended."""

from __future__ import annotations

from dataclasses import replace

from ..router.drive import Answered, OnText
from ..router.errors import UsageError
from ..router.perform import Session
from .http_endpoints import Asked
from .http_errors import HttpError, of_usage
from .http_gateway import Gateway
from .http_requests import budget_within

__all__ = ["left_s", "run_of"]


async def run_of(gateway: Gateway, asked: Asked, on_text: OnText | None = None) -> Answered:
    """How the request's run ended.

    Args:
        on_text: as for `Router.respond`.

    Raises:
        HttpError: there was no room or no time for it, its key may not spend more, or it is one
            that nobody can answer.
    """
    mark = asked.mark
    async with gateway.admission.place(left_s(gateway, asked)):
        router = asked.router
        budget = budget_within(
            router.plan.budget, left_s(gateway, asked), asked.caller, asked.body.surefoot
        )
        async with gateway.spending.lend(asked.caller, budget, gateway.longest_s) as loan:
            try:
                answered = await router.respond(
                    asked.request,
                    session=Session(asked.caller.tenant, user=asked.body.user),
                    budget=budget,
                    run_id=mark.run_id,
                    on_step=loan.note,
                    on_lost=loan.lose,
                    on_text=on_text,
                )
            except UsageError as error:
                raise of_usage(error) from error
            loan.charged = answered.result.cost
    gateway.ended(
        asked.caller.tenant,
        mark.request_id,
        answered.result,
        model=asked.body.model,
        headers=asked.headers,
        is_main=router is asked.built.router,
    )
    return _remarked(gateway, answered) if router is asked.built.router else answered


def _remarked(gateway: Gateway, answered: Answered) -> Answered:
    """Without a certificate that does not hold at the moment, and with words that say so."""
    remark, result = gateway.monitor.remark, answered.result
    if remark is None or (result.certificate is None and not gateway.monitor.has_closed):
        return answered
    result = replace(result, certificate=None, degraded=(*result.degraded, remark))
    return replace(answered, result=result)


def left_s(gateway: Gateway, asked: Asked) -> float:
    """Seconds that are left; raises HttpError (504) where there are none."""
    left = asked.allowed_s - (gateway.clock() - asked.mark.began)
    if left <= 0.0:
        raise HttpError(504, "deadline_exceeded", "the request's time was up before its turn came")
    return left
