import { MAX_AHEAD_MS } from '../redis/clock.ts';
import { AMBIGUITY_MS, LONGEST_LEASE_MS, LONGEST_WAIT_MS, LUA_DELIVERY } from './delivery-record.ts';
import { storeScript } from './lua.ts';

/**
 * Settles deliveries whose attempts have ended, and claims others, in one script: a hosted Redis bills each command, and
 * one script needs half of what two need. Each key is read once and written once.
 *
 * KEYS: `deliveries:due`, `deliveries`, `producers`, `ip`, `lease:notify`.
 * ARGV: 1 now (ms), 2 the drain's token, 3 lease (ms), 4 `claim`, `settle` or `end` (the last two only settle; `end` also
 * gives `lease:notify` up), 5 the claim's token, 6 how many to claim, 7 '1' if the drain goes on holding deliveries;
 * then for each delivery to settle: uuid, the token of its claim, the claim's epoch, the very address that was called, when
 * it was claimed (ms), `acknowledged`, `failed` or `released`, status or '', when an ambiguous attempt ended (ms) or '',
 * how long until it is due again (ms).
 *
 * Answers three lists:
 * 1. state, ip or '', epoch or '', '1' if more is due now, missing, unusable, members of `deliveries:due` or '', the lowest
 *    score or '', since, lastAck
 * 2. for each settled delivery: told, again, moved, older, retry, released or stale
 * 3. for each claimed delivery: uuid, address, attempts, firstAt
 *
 * State: `claimed` (perhaps none), `idle` (nothing is due and the drain holds nothing: `lease:notify` is given up in the
 * same moment, so that a change that is committed next finds no drain that is about to end), `taken` (another drain holds
 * `lease:notify`), `no-address` (the register has no address to tell).
 */
export const SETTLE_AND_CLAIM = storeScript(
  'settle-and-claim',
  `${LUA_DELIVERY}
local MINUTE, HOUR = 60000, 3600000
local AMBIGUITY, AHEAD = ${AMBIGUITY_MS}, ${MAX_AHEAD_MS}
local LONGEST_LEASE, LONGEST_WAIT = ${LONGEST_LEASE_MS}, ${LONGEST_WAIT_MS}
-- A longer address is none, and is not carried about.
local ADDRESS_BYTES = 64

local due, deliveries, producers, register, drain_lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, drain, lease_ms = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local claims, ends = ARGV[4] == 'claim', ARGV[4] == 'end'
local claim_token, places, holds = ARGV[5], tonumber(ARGV[6]), ARGV[7] == '1'
local HEAD, WIDTH = 7, 9
-- Due now, also by the clock of an invocation that is behind ours.
local at_once = now - AHEAD

local holder = lease_holder(drain_lease, drain, LONGEST_LEASE)
local fields = read('HMGET', register, 'current', 'epoch', 'since', 'told', 'firstAck', 'lastAck')
local ip, epoch = literal(fields[1]), digits(fields[2]) or 0
local since, told, first_ack, last_ack = digits(fields[3]), digits(fields[4]) or 0, digits(fields[5]), digits(fields[6])

local state = 'claimed'
if holder and holder ~= drain then state = 'taken' elseif ip == '' or epoch == 0 then state = 'no-address' end
claims = claims and state == 'claimed'

-- Who is due: by the score, or because the score is damage. One more than wanted tells whether there are more.
local found = {}
if claims then
  found = read('ZRANGEBYSCORE', due, '-inf', whole(now), 'LIMIT', 0, places + 1)
  if #found <= places then
    local beyond = '(' .. whole(now + LONGEST_WAIT)
    local damaged = read('ZRANGEBYSCORE', due, beyond, '+inf', 'LIMIT', 0, places + 1 - #found)
    for _, uuid in ipairs(damaged) do found[#found + 1] = uuid end
  end
else
  read('ZCARD', due)
end

local uuids = {}
for i = HEAD + 1, #ARGV, WIDTH do uuids[#uuids + 1] = ARGV[i] end
local settles = #uuids
for i = 1, math.min(#found, places) do uuids[settles + i] = found[i] end
local jsons = read_fields(deliveries, uuids)
local addresses = read_fields(producers, uuids)

local records, scores, done = {}, {}, {}
local function save(uuid, record)
  records[#records + 1], records[#records + 2] = uuid, write_delivery(record)
end
local function look_again(uuid, at)
  scores[#scores + 1], scores[#scores + 2] = whole(at), uuid
end
-- A time ahead of every clock was written while Redis's clock was wrong.
local function load(json)
  local record = read_delivery(json)
  if record.firstAt and record.firstAt > now + AHEAD then record.firstAt = now end
  if record.ambiguousAt and record.ambiguousAt > now + LONGEST_LEASE then record.ambiguousAt = now end
  return record
end

-- Answers what became of it, and when it is due, or nil if it is done.
local function acknowledged(record, at_epoch, called, holds_now, claimed_at)
  if holds_now ~= called then return 'moved', at_once end
  if record.ackedEpoch ~= at_epoch then
    record.ackedEpoch, record.ackedAt = at_epoch, now
    if at_epoch == epoch then told, first_ack, last_ack = told + 1, first_ack or now, now end
  end
  if record.ambiguousAt and claimed_at >= record.ambiguousAt + AMBIGUITY then
    record.ambiguousEpoch, record.ambiguousAt = nil, nil
  end
  if at_epoch ~= epoch then return 'older', at_once end
  if record.ambiguousAt and (record.ambiguousEpoch or 0) < at_epoch then
    record.attempts, record.firstAt = nil, nil
    return 'again', record.ambiguousAt + AMBIGUITY
  end
  return 'told', nil
end
local function failed(record, at_epoch, ambiguous_end, delay)
  if ambiguous_end then note_ambiguous(record, at_epoch, ambiguous_end) end
  if at_epoch ~= epoch then
    record.attempts = 0
    return 'older', at_once
  end
  record.attempts = (record.attempts or 0) + 1
  return 'retry', now + delay
end

local told_before, answers, settled_now, more = told, {}, {}, false
for i = 1, settles do
  local uuid, at = uuids[i], HEAD + (i - 1) * WIDTH
  local token, at_epoch, called, claimed_at = ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4], tonumber(ARGV[at + 5])
  local result, status, ambiguous_end, delay = ARGV[at + 6], ARGV[at + 7], tonumber(ARGV[at + 8]), tonumber(ARGV[at + 9])
  local record = load(jsons[i])
  if record.lease ~= token then
    answers[i] = 'stale'
  else
    local next_at
    record.lease, record.leaseEnd = nil, nil
    if result == 'released' then
      answers[i], next_at = 'released', now + delay
      if status ~= '' then record.lastStatus = status end
    else
      record.lastStatus = status
      record.address = status ~= 'bad-address' and called or nil
      if result == 'acknowledged' then
        answers[i], next_at = acknowledged(record, at_epoch, called, addresses[i], claimed_at)
      else
        answers[i], next_at = failed(record, at_epoch, ambiguous_end, delay)
      end
    end
    settled_now[uuid] = true
    save(uuid, record)
    if next_at then look_again(uuid, next_at) else done[#done + 1] = uuid end
    if next_at and next_at <= now then more = true end
  end
end

local claimed, missing, unusable = {}, 0, 0
local function claim(uuid, json, address)
  local record = load(json)
  if record.lease then
    local lease_end = record.leaseEnd or now
    if lease_end > now + LONGEST_LEASE then lease_end = now end
    if lease_end > now then return look_again(uuid, lease_end) end
    -- Not at the lease's end: Redis's clock may have been set since. After one more lease its request is dead for sure.
    note_ambiguous(record, record.leaseEpoch or 0, now + lease_ms)
    record.lease, record.leaseEnd = nil, nil
    record.attempts, record.lastStatus = (record.attempts or 0) + 1, 'unsettled'
  end

  if not address then
    missing = missing + 1
    record.missed = (record.missed or 0) + 1
    look_again(uuid, now + math.min(HOUR, MINUTE * 2 ^ math.min(record.missed - 1, 6)))
    return save(uuid, record)
  end
  record.missed = nil

  if record.leaseEpoch ~= epoch then record.leaseEpoch, record.attempts, record.firstAt = epoch, 0, now end
  record.attempts, record.firstAt = record.attempts or 0, record.firstAt or now

  if #address > ADDRESS_BYTES or not string.find(uuid, UUID) then
    unusable = unusable + 1
    record.attempts, record.address = record.attempts + 1, nil
    record.lastStatus = #address > ADDRESS_BYTES and 'bad-address' or 'bad-uuid'
    look_again(uuid, now + HOUR)
    return save(uuid, record)
  end

  for _, value in ipairs({uuid, address, whole(record.attempts), whole(record.firstAt)}) do
    claimed[#claimed + 1] = value
  end
  record.lease, record.leaseEnd = claim_token, now + lease_ms
  look_again(uuid, record.leaseEnd)
  save(uuid, record)
end
for i = settles + 1, #uuids do
  if not settled_now[uuids[i]] then claim(uuids[i], jsons[i], addresses[i]) end
end
more = more or #found > places
if claims and #claimed == 0 and not more and not holds then state = 'idle' end

-- The record goes first: a lease that the score does not show yet is met, and found alive, by the next claim. And a
-- lease goes before the membership: nothing leaves deliveries:due while it has one, even if this script dies half-way.
variadic('HSET', deliveries, records, 2)
variadic('ZADD', due, scores, 2)
variadic('ZREM', due, done, 1)
local remaining, next_due = '', ''
if state ~= 'claimed' or ends then
  remaining = redis.call('ZCARD', due)
  next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2] or ''
end

if holder == drain and (ends or state == 'idle' or (state == 'no-address' and not holds)) then
  redis.call('DEL', drain_lease)
elseif holder == drain or (claims and state == 'claimed') then
  redis.call('SET', drain_lease, drain, 'PX', lease_ms)
end
if told > told_before then
  redis.call('HSET', register, 'told', whole(told), 'firstAck', whole(first_ack), 'lastAck', whole(last_ack))
end
return {
  {
    state, ip, epoch > 0 and whole(epoch) or '', more and '1' or '0', missing, unusable, remaining, next_due,
    since and whole(since) or '', last_ack and whole(last_ack) or '',
  },
  answers,
  claimed,
}
`,
);
