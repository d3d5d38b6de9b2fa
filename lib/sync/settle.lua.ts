import { LUA_LEASE } from '../redis/lease.ts';
import { defineScript, LUA_PRELUDE } from '../redis/script.ts';

/**
 * Writes what the probes of candidates came to, while the round holds the lease and each candidate is as it was read. A
 * newcomer becomes a consumer only if its uuid is still absent, a move happens only if address and health of the dead
 * consumer are still what they were. Repeatable: what was done has changed what it depends on.
 *
 * KEYS: lease, consumers, health, candidates.
 * ARGV: token, then eight values a candidate: what to do, uuid, its JSON as it was read, then
 * - `promote`: the address, the health's JSON, and three unused ones;
 * - `move`: the new address, the new health's JSON, the field in `consumers`, its present value, its present health;
 * - `keep`: the candidate's new JSON, and four unused ones;
 * - `drop`: five unused ones.
 * Answers `{1, promoted uuids, moved uuids}`, or `{0, {}, {}}` if the lease is not ours.
 */
export const SETTLE_CANDIDATES = defineScript(
  'settle-candidates',
  `${LUA_PRELUDE}${LUA_LEASE}
local wrong = expect_types({KEYS[1], 'string', KEYS[2], 'hash', KEYS[3], 'hash', KEYS[4], 'hash'})
if wrong then return wrong end
if not holds(KEYS[1], ARGV[1]) then return {0, {}, {}} end

local consumers, health, kept, gone, promoted, moved = {}, {}, {}, {}, {}, {}
local function add(list, a, b)
  list[#list + 1] = a
  list[#list + 1] = b
end
for i = 2, #ARGV, 8 do
  local act, uuid, json, a, b, field, raw, old = unpack(ARGV, i, i + 7)
  if redis.call('HGET', KEYS[4], uuid) == json then
    if act == 'keep' then
      add(kept, uuid, a)
    else
      gone[#gone + 1] = uuid
    end
    if act == 'promote' and not redis.call('HGET', KEYS[2], uuid) and not redis.call('HGET', KEYS[2], string.upper(uuid)) then
      add(consumers, uuid, a)
      add(health, uuid, b)
      promoted[#promoted + 1] = uuid
    elseif act == 'move' and redis.call('HGET', KEYS[2], field) == raw and redis.call('HGET', KEYS[3], field) == old then
      add(consumers, field, a)
      add(health, field, b)
      moved[#moved + 1] = uuid
    end
  end
end
variadic('HSET', KEYS[3], health, 2)
variadic('HSET', KEYS[2], consumers, 2)
variadic('HSET', KEYS[4], kept, 2)
variadic('HDEL', KEYS[4], gone, 1)
return {1, promoted, moved}
`,
);
