import { defineScript, LUA_PRELUDE } from '../redis/script.ts';
import { LUA_COMMIT } from './commit.lua.ts';

/**
 * Trip 1 of a check, behind TIME: who this Redis belongs to, a new ticket, the register.
 *
 * A script instead of GET, HINCRBY, HGETALL, because nothing may be written into another consumer's Redis, and
 * because a ticket that is no number, or is behind `recorded`, would otherwise stop the checks for ever.
 *
 * KEYS: `uuid`, `ip`. ARGV: our uuid. Answers {uuid or '', {field, value, …}}, of another consumer's Redis only
 * {uuid}. Running it twice costs a ticket and nothing else.
 */
export const TAKE_TICKET = defineScript(
  'take-ticket',
  `${LUA_PRELUDE}${LUA_COMMIT}
local wrong = expect_types({KEYS[1], 'string', KEYS[2], 'hash'})
if wrong then return wrong end
local uuid = redis.call('GET', KEYS[1])
if uuid and string.lower(uuid) ~= ARGV[1] then return {uuid} end
local register = read_register(KEYS[2])
local ticket = whole(math.max(digits(register.ticket) or 0, digits(register.recorded) or 0) + 1)
redis.call('HSET', KEYS[2], 'ticket', ticket)
return {uuid or '', redis.call('HGETALL', KEYS[2])}
`,
);

/**
 * Trip 2 of a check: what it found is recorded, if it still matters, and perhaps committed.
 *
 * Tickets order the checks, no clock does. Nothing changes if the ticket is not above `recorded` (a newer check was
 * recorded, or this very one: its reply was lost), if it is above the ticket stored (Redis lost data since), or if
 * the epoch is no longer the one read (the verdict is about an address that is no longer current). So the script may
 * be repeated.
 *
 * Whatever depends on the candidate depends on the one stored now: another check may have been recorded since this
 * one read the register.
 *
 * - `voice` confirms unless a candidate is set, and never resets one; `quorum` confirms and clears it.
 * - `unknown` neither counts nor resets.
 * - `counts`: the third check that counts for the same address commits it. One counts only if it began 20 s or more
 *   after the last one that counted was recorded, so that no two rest on the same moment; if that is too long ago,
 *   or the candidate is another, or cannot be used (a time in the future, a count that never occurs), it is the
 *   first.
 * - `change` commits.
 *
 * KEYS: `ip`, `ip:history`, `producers`, `deliveries`, `deliveries:due`, `lease:notify`.
 * ARGV: 1 ticket, 2 epoch read (0: none), 3 when the check began, 4 now, 5 verdict, 6 address of `counts` and
 * `change`, 7 votes as JSON, 8 the least time between checks that count, 9 how old the last one may be, 10 checks
 * needed, 11 '1' to warn about a `dns:` source, 12 the least time between warnings. Times in ms.
 *
 * Answers {outcome, reason, current or '', epoch, deliveries due, '1' if lease:notify is held, checks counted,
 * unknown checks in a row, '1' if to warn, and of a commit: due, leased, skipped, dropped, removed}, all but the
 * last five as strings.
 */
export const RECORD = defineScript(
  'record-check',
  `${LUA_PRELUDE}${LUA_COMMIT}
local keys = { ip = KEYS[1], history = KEYS[2], producers = KEYS[3], deliveries = KEYS[4], due = KEYS[5] }
local ticket, epoch_read, began, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local verdict, address, votes = ARGV[5], ARGV[6], ARGV[7]
local gap, expiry, needed = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])

local wrong = expect_types({keys.ip, 'hash', keys.history, 'stream', keys.producers, 'hash',
  keys.deliveries, 'hash', keys.due, 'zset', KEYS[6], 'string'})
if wrong then return wrong end

local register = read_register(keys.ip)
local epoch, current = whole(epoch_of(register)), literal(register.current)
local counted, unknown, warned, made = '0', digits(register.unknownChecks) or 0, '0', {}

local function answer(outcome, reason)
  local due = redis.call('ZCOUNT', keys.due, '-inf', ARGV[4])
  local held = redis.call('EXISTS', KEYS[6])
  return {outcome, reason, current, epoch, whole(due), whole(held), counted, whole(unknown), warned, unpack(made)}
end

local recorded = digits(register.recorded) or 0
if ticket == recorded then return answer('stale', 'repeated') end
if ticket < recorded then return answer('stale', 'overtaken') end
if ticket > (digits(register.ticket) or 0) then return answer('stale', 'data-loss') end
if epoch_of(register) ~= epoch_read then return answer('stale', 'epoch') end

local candidate = nil
local checks, at = digits(register.candidateChecks), digits(register.candidateAt)
if literal(register.candidate) ~= '' and checks and checks >= 1 and checks < needed and at then
  candidate = register.candidate
end

local fields = {'recorded', ARGV[1], 'checkedAt', ARGV[4]}
local function set(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
if ARGV[11] == '1' then
  local last = digits(register.warnedAt)
  if not last or math.abs(now - last) >= tonumber(ARGV[12]) then
    warned = '1'
    set('warnedAt', ARGV[4])
  end
end

local outcome = 'unknown'
if verdict == 'quorum' or (verdict == 'voice' and not candidate) then
  outcome = 'confirmed'
elseif verdict == 'change' then
  outcome = 'changed'
elseif verdict == 'counts' then
  local fresh = candidate == address and at <= now + gap and began - at <= expiry
  if fresh and began - at < gap then
    outcome, counted = 'waiting', whole(checks)
  else
    local total = fresh and checks + 1 or 1
    outcome, counted = total >= needed and 'changed' or 'counted', whole(total)
  end
end

unknown = outcome == 'unknown' and unknown + 1 or 0
set('unknownChecks', whole(unknown))

if outcome == 'changed' then
  set('verifiedAt', ARGV[4])
  epoch, made = commit(keys, register, { to = address, now = now, source = 'sources',
    votes = votes, fields = fields, stale = {} })
  current = address
  return answer(outcome, '')
end

if outcome == 'confirmed' then set('verifiedAt', ARGV[4]) end
if outcome == 'counted' then
  set('candidate', address)
  set('candidateChecks', counted)
  set('candidateAt', ARGV[4])
end
redis.call('HSET', keys.ip, unpack(fields))
if outcome == 'confirmed' then clear(keys.ip, register, CANDIDATE) end
return answer(outcome, '')
`,
);
