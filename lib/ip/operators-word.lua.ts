import { defineScript, LUA_PRELUDE } from '../redis/script.ts';
import { LUA_COMMIT } from './commit.lua.ts';

/**
 * The operator's word: an address is committed as a new change, whatever the register holds, once per id. The last 20
 * ids are kept, and written with the register, so that an id is there exactly if its commit went through: running it
 * again after a lost reply, or after a run that died half-way, is safe.
 *
 * KEYS: `ip`, `ip:history`, `producers`, `deliveries`, `deliveries:due`. ARGV: 1 the address, 2 the id, 3 now in ms.
 * Answers {'committed' or 'repeated', epoch, and of a commit: due, leased, skipped, dropped, removed}.
 */
export const COMMIT_MANUAL = defineScript(
  'commit-manual',
  `${LUA_PRELUDE}${LUA_COMMIT}
local KEPT_IDS = 20
local keys = { ip = KEYS[1], history = KEYS[2], producers = KEYS[3], deliveries = KEYS[4], due = KEYS[5] }
local address, id, now = ARGV[1], ARGV[2], tonumber(ARGV[3])

local wrong = expect_types({keys.ip, 'hash', keys.history, 'stream', keys.producers, 'hash',
  keys.deliveries, 'hash', keys.due, 'zset'})
if wrong then return wrong end

local register = read_register(keys.ip)
local ok, stored = pcall(cjson.decode, register.manualIds or '')
local ids = {}
if ok and type(stored) == 'table' then
  for _, kept in ipairs(stored) do
    if kept == id then return {'repeated', whole(epoch_of(register))} end
    ids[#ids + 1] = kept
  end
end
ids[#ids + 1] = id
local last = {unpack(ids, math.max(1, #ids - KEPT_IDS + 1), #ids)}

local verified_no_more = literal(register.current) ~= address and {'verifiedAt'} or {}
local epoch, made = commit(keys, register, { to = address, now = now, source = 'manual',
  votes = cjson.encode({manual = address}), fields = {'manualIds', cjson.encode(last)}, stale = verified_no_more })
return {'committed', epoch, unpack(made)}
`,
);
