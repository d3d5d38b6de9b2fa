import { LUA_LEASE } from '../redis/lease.ts';
import { defineScript, LUA_PRELUDE } from '../redis/script.ts';

/**
 * Everything that a round writes about known consumers, and only while it holds the lease: a page's health, the cursor,
 * and the lease's renewal; at the end of the round, instead of the renewal, one page of clean-up, the summary and the
 * release. Repeatable, except for the end: that releases the lease.
 *
 * KEYS: lease, health, cursor, consumers, rounds.
 * ARGV: token, the lease's length in ms, field of the cursor, its value (empty: leave it; `0`: from the start), now, what
 * to do (`renew`, `end`, `end-and-clean`), the number of the following values, field and JSON in turn, then the fields and
 * values of the summary.
 * Answers `{0}` and has written nothing if the lease is not ours, else `{1, health records removed, names of keys that hold
 * a wrong type}`.
 *
 * One HSET a key: the embedded engine copies a collection on each write. Lua's `unpack` bears 2,000 values.
 */
export const WRITE_ROUND = defineScript(
  'write-round',
  `${LUA_PRELUDE}${LUA_LEASE}
local wrong = expect_types({KEYS[1], 'string', KEYS[2], 'hash', KEYS[3], 'hash', KEYS[4], 'hash'})
if wrong then return wrong end
if not holds(KEYS[1], ARGV[1]) then return {0, 0, {}} end

local first, last = 8, 7 + tonumber(ARGV[7])
for from = first, last, 2000 do
  redis.call('HSET', KEYS[2], unpack(ARGV, from, math.min(from + 1999, last)))
end
local function keep_cursor(field, cursor)
  if cursor == '0' then redis.call('HDEL', KEYS[3], field) else redis.call('HSET', KEYS[3], field, cursor) end
end
if ARGV[4] ~= '' then keep_cursor(ARGV[3], ARGV[4]) end
redis.call('HSET', KEYS[3], 'probed', ARGV[5])
if ARGV[6] == 'renew' then
  renew(KEYS[1], ARGV[1], ARGV[2])
  return {1, 0, {}}
end

local function scan(cursor) return redis.pcall('HSCAN', KEYS[2], cursor, 'COUNT', 1000) end
local removed = {}
if ARGV[6] == 'end-and-clean' then
  local page = scan(redis.call('HGET', KEYS[3], 'health') or '0')
  if page.err then page = scan('0') end
  local fields = {}
  for i = 1, #page[2], 2 do fields[#fields + 1] = page[2][i] end
  for from = 1, #fields, 2000 do
    local to = math.min(from + 1999, #fields)
    local addresses = redis.call('HMGET', KEYS[4], unpack(fields, from, to))
    for i = 1, #addresses do
      if not addresses[i] then removed[#removed + 1] = fields[from + i - 1] end
    end
  end
  variadic('HDEL', KEYS[2], removed, 1)
  keep_cursor('health', page[1])
end

local unusable = {}
if expect_types({KEYS[5], 'stream'}) == nil then
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', '500', '*', unpack(ARGV, last + 1))
else
  unusable[1] = 'sync:rounds'
end
release(KEYS[1], ARGV[1])
return {1, #removed, unusable}
`,
);
