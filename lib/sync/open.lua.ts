import { LUA_LEASE } from '../redis/lease.ts';
import { defineScript, LUA_PRELUDE } from '../redis/script.ts';

/**
 * Begins a round or a shard of one: proves the identity, takes the lease and reads what the round starts from, in one
 * command. Repeatable: a lease that is already ours is renewed.
 *
 * KEYS: uuid, lease, consumers, health, cursor, ip, candidates.
 * ARGV: our uuid, our token, the lease's length in ms, `1` to read the candidates, then fields of `sync:cursor`.
 * Answers `{'identity', what is stored}` if Redis is not proven to be ours, `{'held'}` if another has the lease, else
 * `{'ok', number of consumers, {current, previous}, the cursors, the candidates as a flat list, keys of a wrong type}`.
 * A wrong type of `ip` or `consumers:candidates` is answered, because a round can do without; elsewhere it is an error.
 */
export const OPEN_ROUND = defineScript(
  'open-round',
  `${LUA_PRELUDE}${LUA_LEASE}
if expect_types({KEYS[1], 'string'}) then return {'identity', 'of a wrong type'} end
local identity = redis.call('GET', KEYS[1])
if not identity or string.lower(identity) ~= ARGV[1] then return {'identity', identity} end

local wrong = expect_types({KEYS[2], 'string', KEYS[3], 'hash', KEYS[4], 'hash', KEYS[5], 'hash'})
if wrong then return wrong end
if not renew(KEYS[2], ARGV[2], ARGV[3]) and not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then
  return {'held'}
end

local unusable = {}
local function readable(key, name)
  if expect_types({key, 'hash'}) == nil then return true end
  unusable[#unusable + 1] = name
  return false
end
local ip = readable(KEYS[6], 'ip') and redis.call('HMGET', KEYS[6], 'current', 'previous') or {}
local candidates = {}
if ARGV[4] == '1' and readable(KEYS[7], 'consumers:candidates') then candidates = redis.call('HGETALL', KEYS[7]) end
return {'ok', redis.call('HLEN', KEYS[3]), ip, redis.call('HMGET', KEYS[5], unpack(ARGV, 5)), candidates, unusable}
`,
);
