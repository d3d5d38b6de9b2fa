import { RedisReplyError } from '../errors.ts';
import { type Epoch, parseEpoch } from '../ip/register.ts';
import { type Ip, parseIp } from '../peers/ip-space.ts';
import type { Reply, ScriptCall } from '../redis/redis.ts';
import { defineScript, LUA_PRELUDE } from '../redis/script.ts';
import type { Keys } from '../store/keys.ts';
import { DELIVERY_LUA, REGISTER_LUA } from './delivery.lua.ts';
import { type Claimed, leaseMs } from './delivery.ts';

const CLAIM = defineScript(
  'notify-claim',
  `${LUA_PRELUDE}${DELIVERY_LUA}${REGISTER_LUA}
-- Takes up to 'places' due deliveries under a lease, with the address, the IP and the epoch of this very moment.
-- KEYS: deliveries:due, deliveries, producers, ip, lease:notify
-- ARGV: now (ms), the drain's token, the claim's token, places, lease (ms), whether the drain has requests in flight (1 or 0)
-- Answers: state, ip, epoch, the address before, whether more is due now, missing, unusable, members of deliveries:due, lowest score or '',
--   then for each delivery: uuid, address, attempts, firstAt
local due, deliveries, producers, register, drain_lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, drain, token, places, lease_ms = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local in_flight = ARGV[6] == '1'
local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
-- No configuration leases for longer than minutes: a leaseEnd beyond that is no lease, it is damage.
local LONGEST_LEASE = HOUR
-- A longer address is none; it is not carried about.
local ADDRESS_BYTES = 64
local UUID = '^' .. string.rep('%x', 8) .. string.rep('%-' .. string.rep('%x', 4), 3) .. '%-' .. string.rep('%x', 12) .. '$'
-- The most members that one claim looks at, so that it stays short however many are postponed in front.
local LOOKS = math.max(1000, places)

local wrong = expect_types({due, 'zset', deliveries, 'hash', producers, 'hash', register, 'hash', drain_lease, 'string'})
if wrong then return wrong end

local previous
local function answer(state, ip, epoch, more, missing, unusable, claimed)
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  local reply = {
    state, ip or '', epoch and whole(epoch) or '', previous or '', more and 1 or 0, missing, unusable,
    redis.call('ZCARD', due), first[2] and whole(tonumber(first[2])) or '',
  }
  for _, value in ipairs(claimed) do reply[#reply + 1] = value end
  return reply
end
local holder = redis.call('GET', drain_lease)
if holder and holder ~= drain then return answer('taken', nil, nil, false, 0, 0, {}) end
local function keep()
  redis.call('SET', drain_lease, drain, 'PX', lease_ms)
end
local function let_go()
  if holder then redis.call('DEL', drain_lease) end
end

local ip, epoch
ip, epoch, previous = read_register(register)
if not ip then
  if in_flight then keep() else let_go() end
  return answer('no-address', nil, nil, false, 0, 0, {})
end

local records, scores, claimed = {}, {}, {}
local taken, missing, unusable, looked, more = 0, 0, 0, 0, true
local function postpone(uuid, at)
  scores[#scores + 1], scores[#scores + 2] = whole(at), uuid
end
local function save(uuid, record)
  records[#records + 1], records[#records + 2] = uuid, write_delivery(record)
end

local function look_at(uuid, json, address, score)
  local record = read_delivery(json)
  if record.lease then
    local ends = record.leaseEnd or now
    if ends > now + LONGEST_LEASE then ends = now end
    if ends > now then return postpone(uuid, ends) end
    note_ambiguous(record, record.leaseEpoch or 0, ends)
    record.lease, record.leaseEnd = nil, nil
    record.attempts, record.lastStatus = (record.attempts or 0) + 1, 'unsettled'
  end

  if not address then
    missing = missing + 1
    -- Nobody looked when it was due: it may have been back in the meantime.
    if not record.missingSince or now - score > HOUR then record.missingSince = now end
    postpone(uuid, now + (now - record.missingSince >= DAY and HOUR or MINUTE))
    return save(uuid, record)
  end
  record.missingSince = nil

  if record.leaseEpoch ~= epoch then record.leaseEpoch, record.attempts, record.firstAt = epoch, 0, now end
  record.attempts, record.firstAt = record.attempts or 0, record.firstAt or now

  if #address > ADDRESS_BYTES or not string.match(uuid, UUID) then
    unusable = unusable + 1
    record.attempts, record.address = record.attempts + 1, nil
    record.lastStatus = #address > ADDRESS_BYTES and 'bad-address' or 'bad-uuid'
    postpone(uuid, now + HOUR)
    return save(uuid, record)
  end

  taken = taken + 1
  for _, value in ipairs({uuid, address, whole(record.attempts), whole(record.firstAt)}) do
    claimed[#claimed + 1] = value
  end
  record.lease, record.leaseEnd = token, now + lease_ms
  postpone(uuid, record.leaseEnd)
  save(uuid, record)
end

while more and taken < places and looked < LOOKS do
  local page = math.min(math.max(places - taken, 100), LOOKS - looked)
  local scored = redis.call('ZRANGEBYSCORE', due, '-inf', whole(now), 'WITHSCORES', 'LIMIT', looked, page)
  local uuids = {}
  for i = 1, #scored, 2 do uuids[#uuids + 1] = scored[i] end
  local jsons, addresses = {}, {}
  if #uuids > 0 then
    jsons = redis.call('HMGET', deliveries, unpack(uuids))
    addresses = redis.call('HMGET', producers, unpack(uuids))
  end
  for i, uuid in ipairs(uuids) do
    if taken == places then break end
    looked = looked + 1
    look_at(uuid, jsons[i], addresses[i], tonumber(scored[2 * i]))
  end
  more = #uuids == page
end
-- What was claimed or postponed has left the range: what is due now was not looked at.

-- The record goes first: a lease that the score does not show yet is met, and found alive, by the next claim.
variadic('HSET', deliveries, records, 2)
variadic('ZADD', due, scores, 2)
more = redis.call('ZCOUNT', due, '-inf', whole(now)) > 0
if taken == 0 and not more and not in_flight then
  let_go()
  return answer('idle', ip, epoch, false, missing, unusable, {})
end
keep()
return answer('claimed', ip, epoch, more, missing, unusable, claimed)
`,
);

export interface ClaimRequest {
  /** Redis's time right before this is sent, ms. */
  readonly nowMs: number;
  readonly drainToken: string;
  /** Used for this claim and never again. */
  readonly claimToken: string;
  /** How many to take at most: 1 or more. */
  readonly places: number;
  readonly notifyTimeoutMs: number;
  readonly inFlight: boolean;
}

/**
 * The claim, to be sent *once*: a reply that does not come means that some deliveries may be leased to nobody, and those
 * are taken up as ambiguous when their lease ends. Sent again with the same token it would take others beside them.
 *
 * It takes `lease:notify`, renews it, or finds it taken; and it lets go of it where nothing is due and nothing in flight,
 * in the same moment in which it sees that: a change committed after it finds no drain that is about to end.
 */
export function claimCall(keys: Keys, request: ClaimRequest): ScriptCall {
  return {
    script: CLAIM,
    keys: [keys.due, keys.deliveries, keys.producers, keys.ip, keys.lease('notify')],
    args: [
      request.nowMs,
      request.drainToken,
      request.claimToken,
      request.places,
      leaseMs(request.notifyTimeoutMs),
      request.inFlight ? 1 : 0,
    ],
  };
}

export interface ClaimReply {
  /**
   * `claimed`: here they are, perhaps none. `idle`: nothing is due, and the drain's lease is gone. `taken`: another drain
   * holds the lease. `no-address`: the register has no current IP, so nobody can be told anything.
   */
  readonly state: 'claimed' | 'idle' | 'taken' | 'no-address';
  /** The address to tell, if it is one. */
  readonly ip: Ip | undefined;
  readonly epoch: Epoch | undefined;
  /** The address before it, which may still be ours. */
  readonly previous: Ip | undefined;
  readonly deliveries: readonly Claimed[];
  /** Whether more was due at that moment. */
  readonly more: boolean;
  /** Looked at and postponed because `producers` does not hold them. */
  readonly missing: number;
  /** Looked at and put off for an hour because uuid or address can be nobody's. */
  readonly unusable: number;
  readonly backlog: Backlog;
}

/** What is left in `deliveries:due`, leased ones included. */
export interface Backlog {
  readonly remaining: number;
  /** When the first of them is to be looked at, ms. */
  readonly nextDueAt: number | undefined;
}

/** @throws RedisReplyError if it is no reply of the claim. */
export function readClaimReply(reply: Reply, { claimToken, nowMs }: ClaimRequest): ClaimReply {
  const [state, ip, rawEpoch, previous, more, missing, unusable, remaining, nextDueAt, ...rest] =
    Array.isArray(reply) ? reply.map(String) : [];
  if (state !== 'claimed' && state !== 'idle' && state !== 'taken' && state !== 'no-address') {
    throw new RedisReplyError('ERR the claim of deliveries gave an answer that it never gives');
  }
  const epoch = parseEpoch(rawEpoch);
  const deliveries: Claimed[] = [];
  for (let i = 0; epoch !== undefined && i < rest.length; i += 4) {
    const [uuid = '', rawAddress = '', attempts, firstAt] = rest.slice(i, i + 4);
    deliveries.push({
      uuid,
      rawAddress,
      token: claimToken,
      epoch,
      claimedAt: nowMs,
      attempts: Number(attempts),
      firstAt: Number(firstAt),
    });
  }
  return {
    state,
    ip: parseIp(ip),
    epoch,
    previous: parseIp(previous),
    deliveries,
    more: more === '1',
    missing: Number(missing),
    unusable: Number(unusable),
    backlog: readBacklog(remaining, nextDueAt),
  };
}

export function readBacklog(remaining: string | undefined, nextDueAt: string | undefined): Backlog {
  return { remaining: Number(remaining), nextDueAt: nextDueAt ? Number(nextDueAt) : undefined };
}
