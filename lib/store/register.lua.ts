import { CHECKS_NEEDED } from '../ip/register.ts';
import { LUA_COMMIT } from './commit.lua.ts';
import { LONGEST_WAIT_MS } from './delivery-record.ts';
import { storeScript } from './lua.ts';

/** A check counts only if it began so long after the last one that counted. */
const CHECK_GAP_MS = 20_000;
/** Each warning is given once a day at most. */
const WARN_PERIOD_MS = 86_400_000;

/**
 * Trip 1 of a check, behind TIME: whose Redis this is, a new ticket, the register.
 *
 * It is a script because nothing may be written into another consumer's Redis, and because a ticket that is no number,
 * or that is behind `recorded`, would otherwise stop the checks for ever. Running it twice costs one ticket.
 *
 * KEYS: `uuid`, `ip`. ARGV: our uuid. Answers {uuid or '', {field, value, …}}; of a Redis that is not ours only {what stands in `uuid`}.
 */
export const BEGIN_CHECK = storeScript(
  'begin-check',
  `${LUA_COMMIT}
local uuid = text_of(KEYS[1])
if uuid == nil then return {'of a wrong type'} end
local register = read_register(KEYS[2])
if uuid and string.lower(uuid) ~= ARGV[1] then return {uuid} end
register.ticket = whole(math.max(digits(register.ticket) or 0, digits(register.recorded) or 0) + 1)
if not digits(register.ticket) then
  -- No check ever got so far: it is damage, and counting begins anew.
  register.ticket, register.recorded = '1', '0'
  redis.call('HSET', KEYS[2], 'recorded', register.recorded)
end
redis.call('HSET', KEYS[2], 'ticket', register.ticket)
local flat = {}
for name, value in pairs(register) do
  flat[#flat + 1] = name
  flat[#flat + 1] = value
end
return {uuid or '', flat}
`,
);

/**
 * Trip 2 of a check: records what it found, and commits a new address if that is the result.
 *
 * Tickets order the checks, no clock does. Nothing changes if the ticket is not above `recorded` (a newer check was
 * recorded), if it is above the ticket stored (Redis lost data since), or if the epoch is no longer the one that was
 * read (the verdict is about an address that is no longer current). So the script may be repeated: a repetition that
 * finds its own commit done answers `changed` again.
 *
 * Everything about the candidate depends on the one stored now: another check may have been recorded since this one
 * read the register.
 *
 * - `voice` confirms the address unless a candidate is set, and never clears one; `quorum` confirms and clears it.
 * - `unknown` neither counts nor clears.
 * - `counts`: the third check that counts for the same address commits it. A check counts only if it began 20 s or more
 *   after the last one that counted was recorded, so that no two rest on the same moment. If that is too long ago, or
 *   the candidate is another one or cannot be used (a time in the future, a count that never occurs), it is the first.
 * - `change` commits.
 * - A commit that damping holds back (ARGV 10) is `damped`: the address stays, and what was counted stays counted.
 *
 * If the last check was recorded in the future, Redis's clock was set back since. Deliveries that wait for their next try
 * would then wait for as long again: they are due now.
 *
 * KEYS: `ip`, `ip:history`, `producers`, `deliveries`, `deliveries:due`, `lease:notify`.
 * ARGV: 1 ticket, 2 epoch read (0: none), 3 when the check began, 4 now, 5 verdict, 6 address of `counts` and `change`,
 * 7 votes as JSON, 8 how old the last check that counts may be, 9 operators that answered, or '' if not all were asked,
 * 10 '1' if damping holds this address back, 11 and 12 `returns` and `returnsAt` to write with a commit, or '', then for
 * each warning that is called for the name of the field that keeps when it was last given. Times in ms.
 *
 * Answers {outcome, reason of `stale`, current or '', epoch, deliveries due, '1' if any is due and lease:notify is held, checks counted,
 * unknown checks in a row, the warnings to give now with commas between, and what a commit that it made did}.
 */
export const RECORD_CHECK = storeScript(
  'record-check',
  `${LUA_COMMIT}
local keys = { ip = KEYS[1], history = KEYS[2], producers = KEYS[3], deliveries = KEYS[4], due = KEYS[5] }
local ticket, epoch_read, began, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local verdict, address, votes, expiry, damped = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[10] == '1'
local gap, needed = ${CHECK_GAP_MS}, ${CHECKS_NEEDED}

local function count_due()
  if read('ZCARD', keys.due) == 0 then return 0 end
  local beyond = '(' .. whole(now + ${LONGEST_WAIT_MS})
  return read('ZCOUNT', keys.due, '-inf', ARGV[4]) + read('ZCOUNT', keys.due, beyond, '+inf')
end
local register = read_register(keys.ip)
local due = count_due()
local epoch, current = whole(epoch_of(register)), literal(register.current)
local counted, unknown, warnings, made = '0', digits(register.unknownChecks) or 0, {}, {}

-- Whether somebody delivers matters only while somebody is due. A hosted Redis bills each command.
local function is_delivering()
  if due == 0 then return false end
  local lasts = read('PTTL', KEYS[6])
  return lasts > 0 and lasts <= LONGEST_LEASE
end

local function answer(outcome, reason)
  return {outcome, reason or '', current, epoch, whole(due), is_delivering() and '1' or '0', counted, whole(unknown),
    table.concat(warnings, ','), unpack(made)}
end

local recorded = digits(register.recorded) or 0
local epoch_made = whole(math.max(epoch_read + 1, now))
if ticket == recorded and address ~= '' and current == address and epoch == epoch_made then
  return answer('changed')
end
if ticket == recorded then return answer('stale', 'repeated') end
if ticket < recorded then return answer('stale', 'overtaken') end
if ticket > (digits(register.ticket) or 0) then return answer('stale', 'data-loss') end
if epoch_of(register) ~= epoch_read then return answer('stale', 'epoch') end

local candidate = nil
local checks, at = digits(register.candidateChecks), digits(register.candidateAt)
if literal(register.candidate) ~= '' and checks and checks >= 1 and checks < needed and at then
  candidate = register.candidate
end

local outcome, cleared = 'unknown', {}
if verdict == 'quorum' or (verdict == 'voice' and not candidate) then
  outcome, cleared = 'confirmed', CANDIDATE
elseif verdict == 'change' then
  outcome = damped and 'damped' or 'changed'
elseif verdict == 'counts' then
  local fresh = candidate == address and at <= now + gap and began - at <= expiry
  local total = fresh and checks + 1 or 1
  if fresh and began - at < gap then
    outcome, counted = 'waiting', whole(checks)
  elseif total >= needed then
    outcome, counted = damped and 'damped' or 'changed', whole(damped and needed - 1 or needed)
  else
    outcome, counted = 'counted', whole(total)
  end
end
unknown = outcome == 'unknown' and unknown + 1 or 0

local fields = {'recorded', ARGV[1], 'checkedAt', ARGV[4], 'unknownChecks', whole(unknown)}
local function set(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
if ARGV[9] ~= '' then set('answering', ARGV[9]) end
for i = 13, #ARGV do
  local last = digits(register[ARGV[i]])
  if (ARGV[i] ~= 'dampedAt' or outcome == 'damped') and (not last or math.abs(now - last) >= ${WARN_PERIOD_MS}) then
    warnings[#warnings + 1] = ARGV[i]
    set(ARGV[i], ARGV[4])
    if ARGV[i] == 'dampedAt' then
      add_history(keys.history, {'damped', address, 'current', current, 'at', ARGV[4], 'votes', votes})
    end
  end
end
if outcome == 'confirmed' or outcome == 'changed' then set('verifiedAt', ARGV[4]) end

if (digits(register.checkedAt) or 0) > now + AHEAD then
  make_due(keys.due, { living = {}, others = read('ZRANGEBYSCORE', keys.due, '(' .. ARGV[4], '+inf'), leased = {} },
    now - AHEAD)
  due = count_due()
end

if outcome == 'changed' then
  if ARGV[11] ~= '' then
    set('returns', ARGV[11])
    set('returnsAt', ARGV[12])
  end
  local written
  epoch, made, written = commit(keys, register, { to = address, now = now, source = 'sources',
    votes = votes, fields = fields, stale = {} })
  if not written then warnings[#warnings + 1] = 'history' end
  current, due = address, count_due()
  return answer(outcome)
end

if outcome == 'counted' or (outcome == 'damped' and verdict == 'counts') then
  set('candidate', address)
  set('candidateChecks', counted)
  set('candidateAt', ARGV[4])
end
redis.call('HSET', keys.ip, unpack(fields))
clear(keys.ip, register, cleared)
return answer(outcome)
`,
);
