"""Accounts of spending that several processes keep together, in Redis."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from ..router.errors import StoreError
from .history_format import key_part
from .redis_link import LuaScript, RedisLink, RedisSettings
from .spend_ledger import NOTHING, Hold, Terms

__all__ = ["RedisLedger"]

# By the server's clock: replicas need not agree on the time. KEYS: account.
# ARGV: limit, wanted, token, seconds until a hold counts as spent, seconds the account is kept,
# what is nothing.
_HOLD = LuaScript(
    """
local told = redis.call('TIME')
local now = tonumber(told[1]) + tonumber(told[2]) / 1000000
local spent, held = 0, 0
local all = redis.call('HGETALL', KEYS[1])
local expired = {}
for i = 1, #all, 2 do
  if all[i] == 'spent' then
    spent = spent + tonumber(all[i + 1])
  else
    local amount, till = string.match(all[i + 1], '^(%S+) (%S+)$')
    if tonumber(till) <= now then
      spent = spent + tonumber(amount)
      expired[#expired + 1] = all[i]
    else
      held = held + tonumber(amount)
    end
  end
end
if #expired > 0 then
  redis.call('HDEL', KEYS[1], unpack(expired))
  redis.call('HSET', KEYS[1], 'spent', string.format('%.17g', spent))
end
local fits, wanted = 0, tonumber(ARGV[2])
if spent + held + wanted <= tonumber(ARGV[1]) + tonumber(ARGV[6]) then fits = 1 end
if fits == 1 and wanted > 0 then
  local till = string.format('%.6f', now + tonumber(ARGV[4]))
  redis.call('HSET', KEYS[1], 'hold:' .. ARGV[3], ARGV[2] .. ' ' .. till)
end
redis.call('PEXPIRE', KEYS[1], math.ceil(1000 * tonumber(ARGV[5])))
local function text(number) return string.format('%.17g', number) end
return {fits, text(spent), text(held)}
"""
)
# KEYS: account. ARGV: token, used.
_SETTLE = LuaScript(
    """
local hold = redis.call('HGET', KEYS[1], 'hold:' .. ARGV[1])
if not hold then return 0 end
local told = redis.call('TIME')
local now = tonumber(told[1]) + tonumber(told[2]) / 1000000
local amount, till = string.match(hold, '^(%S+) (%S+)$')
local used = tonumber(ARGV[2])
if tonumber(till) <= now then used = tonumber(amount) end
local spent = tonumber(redis.call('HGET', KEYS[1], 'spent') or '0')
redis.call('HDEL', KEYS[1], 'hold:' .. ARGV[1])
redis.call('HSET', KEYS[1], 'spent', string.format('%.17g', spent + used))
return 1
"""
)


class RedisLedger:
    """A `SpendLedger`: each account a HASH `sf:spend:{name}`, `spent` and a field for each hold.

    Args:
        url: as of a Redis history.
        failures: counted by kind, as `RedisLink` does.
        clock: monotonic seconds, for the breaker.

    Every method raises StoreError where Redis cannot be asked.
    """

    def __init__(
        self,
        url: str,
        failures: Counter[str],
        *,
        settings: RedisSettings | None = None,
        prefix: str = "sf",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = prefix
        self._link = RedisLink(url, settings or RedisSettings(), failures, clock)

    async def hold(self, account: str, token: str, terms: Terms) -> Hold:
        """See `SpendLedger`."""
        numbers = (repr(terms.limit), repr(terms.wanted))
        times = (repr(terms.for_s), repr(terms.keep_s))
        args = (*numbers, token, *times, repr(NOTHING))
        found = await self._link.script(_HOLD, [self._key(account)], args)
        try:
            fits, spent, held = (float(one) for one in found)
        except (TypeError, ValueError) as error:
            raise StoreError(f"Redis answered with {found!r} for an account") from error
        return Hold(fits == 1.0, spent, held)

    async def settle(self, account: str, token: str, used: float) -> None:
        """See `SpendLedger`."""
        args = (token, repr(max(0.0, used)))
        await self._link.script(_SETTLE, [self._key(account)], args)

    async def aclose(self) -> None:
        """Close the connections that this event loop has opened. Idempotent."""
        await self._link.aclose()

    def _key(self, account: str) -> str:
        return f"{self._prefix}:spend:{{{key_part(account)}}}"
