"""What the Redis history does in one step on the server: nothing is written by halves.

Scripts touch no key that they are not given, and use no command that is younger than Redis 6.2.
They look at the types of keys before they write, since a script that fails half-way is not undone.
"""

from __future__ import annotations

from .redis_link import LuaScript

__all__ = [
    "APPEND",
    "COUNTS",
    "DROP_THREAD",
    "FORGET",
    "GET_FIELD",
    "HEADS",
    "LABEL",
    "MAX_VALUE_BYTES",
    "OUTCOMES",
    "PUT",
    "RECORD",
    "TURNS",
    "VALUES",
    "WITHOUT_USER",
]

MAX_VALUE_BYTES = 4 * 2**20
"""No larger value is written or read: it would not fit into the time budget of a call."""

# An index forgets an entry an hour after its key has expired: the server's clock may be late.
_COMMON = """
local HOUR = 3600000000
local function is_foreign(key, kind)
  local found = redis.call('TYPE', key).ok
  return found ~= 'none' and found ~= kind
end
local function check(kinds)
  for key, kind in pairs(kinds) do
    if is_foreign(KEYS[key], kind) then
      return redis.error_reply('WRONGTYPE a key of this history holds something else')
    end
  end
end
local function keep(key, value, ttl)
  if ttl == '0' then redis.call('SET', key, value)
  else redis.call('SET', key, value, 'PX', ttl) end
end
local function renew(key, ttl)
  if ttl ~= '0' then redis.call('PEXPIRE', key, ttl) end
end
local function whole(number) return string.format('%.0f', number) end
local function after_last(index, now)
  local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
  return whole(math.max(tonumber(now), (tonumber(last) or 0) + 1))
end
local function expired(now, ttl) return whole(tonumber(now) - 1000 * tonumber(ttl) - HOUR) end
local function enter(index, member, at, now, ttl)
  redis.call('ZADD', index, at, member)
  if ttl ~= '0' then redis.call('ZREMRANGEBYSCORE', index, '-inf', expired(now, ttl)) end
  renew(index, ttl)
end
local function touch(index, member, now, ttl)
  enter(index, member, after_last(index, now), now, ttl)
end
local function append(turns, guard, id, value)
  local last = redis.call('ZREVRANGE', guard, 0, 0, 'WITHSCORES')[2]
  if redis.call('ZADD', guard, 'NX', (tonumber(last) or 0) + 1, id) == 0 then return 0 end
  redis.call('RPUSH', turns, value)
  return 1
end
local function trim(turns, guard, max, ttl)
  redis.call('LTRIM', turns, -max, -1)
  redis.call('ZREMRANGEBYRANK', guard, 0, -max - 1)
  renew(turns, ttl)
  renew(guard, ttl)
end
local function head_of(value) return string.match(value or '', '^.([^\\n]*)\\n') or '' end
local function uncount(counts, counted, member)
  if redis.call('ZREM', counted, member) == 0 then return end
  local bin, ok = string.match(member, '^[^|]*|([^|]*)|([^|]*)|')
  redis.call('HINCRBY', counts, 'n:' .. bin, -1)
  if ok == '1' then redis.call('HINCRBY', counts, 'ok:' .. bin, -1) end
end
"""

RECORD = LuaScript(
    _COMMON
    + """
-- KEYS: run, runs, facts, repeat, evidence, with evidence, threads, turns, guard, of thread,
--       users, of user, threads of user
-- ARGV: run id, now, ttl, evidence ttl, max turns, run, facts, repeat or '', thread or '',
--       user or '', turn or '', then attempt and evidence by turns
local wrong = check({[2]='zset', [3]='hash', [5]='hash', [6]='zset', [7]='zset', [8]='list',
                     [9]='zset', [10]='zset', [11]='zset', [12]='zset', [13]='zset'})
if wrong then return wrong end
local id, now, ttl, evidence_ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local again, thread, user, turn = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end

keep(KEYS[1], ARGV[6], ttl)
if ttl ~= '0' then
  local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', expired(now, ttl), 'LIMIT', 0, 32)
  for _, one in ipairs(old) do
    redis.call('HDEL', KEYS[3], one)
    redis.call('ZREM', KEYS[2], one)
  end
end
local at = after_last(KEYS[2], now)
redis.call('ZADD', KEYS[2], at, id)
redis.call('HSET', KEYS[3], id, ARGV[7])
renew(KEYS[2], ttl)
renew(KEYS[3], ttl)
if again ~= '' then keep(KEYS[4], again, ttl) end
if thread ~= '' then enter(KEYS[10], id, at, now, ttl) end
if user ~= '' then
  enter(KEYS[12], id, at, now, ttl)
  touch(KEYS[11], user, now, ttl)
end
if turn ~= '' and append(KEYS[8], KEYS[9], id, turn) == 1 then
  trim(KEYS[8], KEYS[9], tonumber(ARGV[5]), ttl)
  touch(KEYS[7], thread, now, ttl)
  if user ~= '' then touch(KEYS[13], thread, now, ttl) end
end
for i = 12, #ARGV, 2 do redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1]) end
if #ARGV > 11 then
  renew(KEYS[5], evidence_ttl)
  touch(KEYS[6], id, now, evidence_ttl)
end
return redis.call('ZCARD', KEYS[2])
"""
)
"""Keep a run and all that comes with it; 0 where it is known, else how many runs there are."""

APPEND = LuaScript(
    _COMMON
    + """
-- KEYS: turns, guard, threads, users, then the threads of each user
-- ARGV: now, ttl, max turns, thread, how many turns, id and value by turns, then each user
local kinds = {[1]='list', [2]='zset', [3]='zset', [4]='zset'}
for i = 5, #KEYS do kinds[i] = 'zset' end
local wrong = check(kinds)
if wrong then return wrong end
local now, ttl, thread, many = ARGV[1], ARGV[2], ARGV[4], tonumber(ARGV[5])
local new = 0
for i = 1, many do new = new + append(KEYS[1], KEYS[2], ARGV[4 + 2 * i], ARGV[5 + 2 * i]) end
if new == 0 then return 0 end
trim(KEYS[1], KEYS[2], tonumber(ARGV[3]), ttl)
touch(KEYS[3], thread, now, ttl)
for i = 5, #KEYS do
  touch(KEYS[i], thread, now, ttl)
  touch(KEYS[4], ARGV[1 + 2 * many + i], now, ttl)
end
return new
"""
)
"""Append turns, each id once; how many were new."""

TURNS = LuaScript(
    _COMMON
    + """
-- KEYS: turns, guard   ARGV: number of the turn before, how many
if is_foreign(KEYS[1], 'list') or is_foreign(KEYS[2], 'zset') then return 'foreign' end
local skip = redis.call('ZCOUNT', KEYS[2], '-inf', ARGV[1])
local last = skip + tonumber(ARGV[2]) - 1
return {redis.call('LRANGE', KEYS[1], skip, last),
        redis.call('ZRANGE', KEYS[2], skip, last, 'WITHSCORES')}
"""
)
"""Turns from a number on, and beside them ids and numbers."""

PUT = LuaScript(
    _COMMON
    + """
-- KEYS: evidence, with evidence   ARGV: run id, attempt, now, evidence ttl, evidence
local wrong = check({[1]='hash', [2]='zset'})
if wrong then return wrong end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[5])
renew(KEYS[1], ARGV[4])
touch(KEYS[2], ARGV[1], ARGV[3], ARGV[4])
"""
)
"""Keep or replace the evidence of an attempt."""

GET_FIELD = LuaScript(
    _COMMON
    + """
-- KEYS: a hash   ARGV: field, most bytes
if is_foreign(KEYS[1], 'hash') then return {'foreign'} end
if redis.call('HSTRLEN', KEYS[1], ARGV[1]) > tonumber(ARGV[2]) then return {'large'} end
return {'ok', redis.call('HGET', KEYS[1], ARGV[1])}
"""
)
"""A value of a hash, unless it is too large."""

VALUES = LuaScript(
    _COMMON
    + """
-- KEYS: a hash   ARGV: most bytes of a value
if is_foreign(KEYS[1], 'hash') then return {'foreign'} end
local found, large = {'ok'}, 0
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if redis.call('HSTRLEN', KEYS[1], field) > tonumber(ARGV[1]) then large = large + 1
  else found[#found + 1] = redis.call('HGET', KEYS[1], field) end
end
if large > 0 then found[1] = 'large' end
return found
"""
)
"""All values of a hash but those that are too large."""

LABEL = LuaScript(
    _COMMON
    + """
-- KEYS: labels, with labels, run   ARGV: run id, label id, now, ttl, version, label
local wrong = check({[1]='hash', [2]='zset'})
if wrong then return wrong end
local number = redis.call('HLEN', KEYS[1]) + 1
local value = ARGV[5] .. number .. '\\n' .. ARGV[6]
if redis.call('HSETNX', KEYS[1], ARGV[2], value) == 0 then return 0 end
local left = redis.call('PTTL', KEYS[3])
if left > 0 then redis.call('PEXPIRE', KEYS[1], left)
elseif left == -2 then renew(KEYS[1], ARGV[4]) end
touch(KEYS[2], ARGV[1], ARGV[3], ARGV[4])
return 1
"""
)
"""Keep a label as long as its run; 0 where its id is known."""

HEADS = LuaScript(
    _COMMON
    + """
-- KEYS: rows
if is_foreign(KEYS[1], 'hash') then return {} end
local found = {}
for _, rung in ipairs(redis.call('HKEYS', KEYS[1])) do
  found[#found + 1] = rung
  found[#found + 1] = head_of(redis.call('HGET', KEYS[1], rung))
end
return found
"""
)
"""Of each row its rung and what it is counted as."""

OUTCOMES = LuaScript(
    _COMMON
    + """
-- KEYS: rows, with rows, run, models, then for each model: counts, counted
-- ARGV: query, now, ttl, max counted, then for each row: rung, what it was counted as or '',
--       number of that model, row, what it is counted as or '', number of its model, its name
local kinds = {[1]='hash', [2]='zset', [4]='zset'}
for i = 5, #KEYS, 2 do kinds[i], kinds[i + 1] = 'hash', 'zset' end
local wrong = check(kinds)
if wrong then return wrong end
local now, ttl, max = ARGV[2], ARGV[3], tonumber(ARGV[4])
for i = 5, #ARGV, 7 do
  if head_of(redis.call('HGET', KEYS[1], ARGV[i])) ~= ARGV[i + 1] then return -1 end
end
local left, begun = redis.call('PTTL', KEYS[3]), tonumber(now)
if left > 0 and ttl ~= '0' then begun = begun - 1000 * (tonumber(ttl) - left) end
for i = 5, #ARGV, 7 do
  local was, is = string.match(ARGV[i + 1], '|(.*)$'), string.match(ARGV[i + 4], '|(.*)$')
  local old, new = 3 + 2 * tonumber(ARGV[i + 2]), 3 + 2 * tonumber(ARGV[i + 5])
  if was then uncount(KEYS[old], KEYS[old + 1], was) end
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 3])
  if is then
    local counts, counted = KEYS[new], KEYS[new + 1]
    local bin, ok = string.match(is, '^[^|]*|([^|]*)|([^|]*)|')
    local at = left > 0 and whole(begun) or after_last(counted, now)
    if redis.call('ZADD', counted, at, is) == 1 then
      redis.call('HINCRBY', counts, 'n:' .. bin, 1)
      if ok == '1' then redis.call('HINCRBY', counts, 'ok:' .. bin, 1) end
    end
    local many = redis.call('ZCARD', counted) - max
    if many > 0 then
      for _, one in ipairs(redis.call('ZRANGE', counted, 0, many - 1)) do
        uncount(counts, counted, one)
      end
    end
    renew(counts, ttl)
    renew(counted, ttl)
    touch(KEYS[4], ARGV[i + 6], now, ttl)
  end
end
if left > 0 then redis.call('PEXPIRE', KEYS[1], left)
elseif left == -2 then renew(KEYS[1], ttl) end
touch(KEYS[2], ARGV[1], now, ttl)
return 1
"""
)
"""Keep or replace rows of a query and count them; -1 where they are counted as something else by
now."""

COUNTS = LuaScript(
    _COMMON
    + """
-- KEYS: counts, counted   ARGV: now, ttl, how many of the latest
if is_foreign(KEYS[1], 'hash') or is_foreign(KEYS[2], 'zset') then return 'foreign' end
if ARGV[2] ~= '0' then
  local before = whole(tonumber(ARGV[1]) - 1000 * tonumber(ARGV[2]))
  for _, one in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', before)) do
    uncount(KEYS[1], KEYS[2], one)
  end
end
local many = tonumber(ARGV[3])
return {redis.call('HGETALL', KEYS[1]),
        many > 0 and redis.call('ZREVRANGE', KEYS[2], 0, many - 1) or {}}
"""
)
"""Counts by bin without what has expired, and the latest outcomes."""

FORGET = LuaScript(
    _COMMON
    + """
-- KEYS: run, runs, facts, evidence, with evidence, labels, with labels, rows, with rows, repeat,
--       of thread, of user, turns, guard, then for each model: counts, counted
-- ARGV: run id, 1 to forget its turn too, how many rows, then for each: rung, what it is counted
--       as or '', number of its model
local kinds = {[2]='zset', [3]='hash', [5]='zset', [7]='zset', [9]='zset', [11]='zset', [12]='zset'}
local wrong = check(kinds)
if wrong then return wrong end
local id, rows = ARGV[1], tonumber(ARGV[3])
local function size(key) return is_foreign(key, 'hash') and 0 or redis.call('HLEN', key) end
if size(KEYS[8]) ~= rows then return {-1} end
for i = 4, #ARGV, 3 do
  if head_of(redis.call('HGET', KEYS[8], ARGV[i])) ~= ARGV[i + 1] then return {-1} end
end
local found = {redis.call('EXISTS', KEYS[1]), size(KEYS[4]), size(KEYS[6]), rows, 0}
for i = 4, #ARGV, 3 do
  local was, place = string.match(ARGV[i + 1], '|(.*)$'), 13 + 2 * tonumber(ARGV[i + 2])
  if was then uncount(KEYS[place], KEYS[place + 1], was) end
end
if redis.call('TYPE', KEYS[10]).ok == 'string' then
  if string.sub(redis.call('GETRANGE', KEYS[10], 0, #id + 1), 2) == id .. '\\n' then
    redis.call('DEL', KEYS[10])
  end
end
if ARGV[2] == '1' and not is_foreign(KEYS[13], 'list') and not is_foreign(KEYS[14], 'zset') then
  local rank = redis.call('ZRANK', KEYS[14], id)
  if rank then
    local turn = redis.call('LINDEX', KEYS[13], rank)
    if turn and (string.byte(turn) == 1 or head_of(turn) == id) then
      redis.call('LREM', KEYS[13], 1, turn)
      redis.call('ZREM', KEYS[14], id)
      found[5] = 1
    end
  end
end
redis.call('DEL', KEYS[1], KEYS[4], KEYS[6], KEYS[8])
redis.call('HDEL', KEYS[3], id)
for key, kind in pairs(kinds) do
  if kind == 'zset' then redis.call('ZREM', KEYS[key], id) end
end
return found
"""
)
"""Forget everything of a run; how many runs, pieces of evidence, labels, rows and turns it was.
{-1} where its rows are counted as something else by now."""

WITHOUT_USER = LuaScript(
    _COMMON
    + """
-- KEYS: turns, guard, threads, threads of user   ARGV: user as in turns, thread
local wrong = check({[3]='zset', [4]='zset'})
if wrong then return wrong end
local gone = 0
if not is_foreign(KEYS[1], 'list') and not is_foreign(KEYS[2], 'zset') then
  for _, value in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
    local id, packed = string.match(value, '^\\2([^\\n]*)\\n(.*)$')
    if id then
      local ok, turn = pcall(cmsgpack.unpack, packed)
      if ok and type(turn) == 'table' and turn[4] == ARGV[1] then
        redis.call('LREM', KEYS[1], 1, value)
        redis.call('ZREM', KEYS[2], id)
        gone = gone + 1
      end
    end
  end
  if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('ZREM', KEYS[3], ARGV[2]) end
end
redis.call('ZREM', KEYS[4], ARGV[2])
return gone
"""
)
"""Forget the turns of a user in a thread; how many there were."""

DROP_THREAD = LuaScript(
    _COMMON
    + """
-- KEYS: turns, guard, of thread, threads, then the threads of each user   ARGV: thread
local kinds = {}
for i = 4, #KEYS do kinds[i] = 'zset' end
local wrong = check(kinds)
if wrong then return wrong end
local many = is_foreign(KEYS[1], 'list') and 0 or redis.call('LLEN', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
for i = 4, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
return many
"""
)
"""Forget all turns of a thread; how many there were."""
