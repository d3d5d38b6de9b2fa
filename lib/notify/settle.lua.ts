import { RedisReplyError } from '../errors.ts';
import { MAX_AHEAD_MS } from '../redis/clock.ts';
import type { Reply, ScriptCall } from '../redis/redis.ts';
import { defineScript, LUA_PRELUDE } from '../redis/script.ts';
import type { Keys } from '../store/keys.ts';
import { HOUR_MS, retryDelayMs } from './backoff.ts';
import { type Backlog, readBacklog } from './claim.lua.ts';
import { DELIVERY_LUA, REGISTER_LUA } from './delivery.lua.ts';
import { AMBIGUITY_MS, type Claimed, leaseMs, type Result } from './delivery.ts';

const SETTLE = defineScript(
  'notify-settle',
  `${LUA_PRELUDE}${DELIVERY_LUA}${REGISTER_LUA}
-- Reports what became of claimed deliveries. A delivery that the given claim no longer holds is left alone.
-- KEYS: deliveries:due, deliveries, producers, ip, lease:notify, ip:history
-- ARGV: now (ms), the drain's token, lease (ms), whether the drain ends with this (1 or 0), then for each delivery:
--   uuid, the claim's token, its epoch, the very address that was called, when it was claimed (ms),
--   acknowledged | failed | released, status, when it ended if it is ambiguous (ms) or '', delay of the next attempt (ms)
-- Answers: members of deliveries:due, lowest score or '', then for each delivery
--   told | again | moved | older | retry | released | stale
local due, deliveries, producers, register, drain_lease, history = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now, drain, lease_ms, ends = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local HEAD, WIDTH = 4, 9
local AMBIGUITY = ${AMBIGUITY_MS}
-- Due now, also by the clock of a run that is behind ours.
local at_once = now - ${MAX_AHEAD_MS}

local wrong = expect_types({
  due, 'zset', deliveries, 'hash', producers, 'hash', register, 'hash', drain_lease, 'string', history, 'stream',
})
if wrong then return wrong end

local uuids = {}
for i = HEAD + 1, #ARGV, WIDTH do uuids[#uuids + 1] = ARGV[i] end
local jsons, addresses = {}, {}
if #uuids > 0 then
  jsons = redis.call('HMGET', deliveries, unpack(uuids))
  addresses = redis.call('HMGET', producers, unpack(uuids))
end
local _, current = read_register(register)

-- Answers what became of it and when it is due, or nil for the latter if it is done.
local function acknowledged(record, epoch, called, holds, claimed_at)
  if holds ~= called then return 'moved', at_once end
  if record.ackedEpoch ~= epoch then record.ackedEpoch, record.ackedAt = epoch, now end
  if record.ambiguousAt and claimed_at >= record.ambiguousAt + AMBIGUITY then
    record.ambiguousEpoch, record.ambiguousAt = nil, nil
  end
  if epoch ~= current then return 'older', at_once end
  if record.ambiguousAt and (record.ambiguousEpoch or 0) < epoch then
    record.attempts, record.firstAt = nil, nil
    return 'again', record.ambiguousAt + AMBIGUITY
  end
  return 'told', nil
end
local function failed(record, epoch, ambiguous_end, delay)
  if ambiguous_end then note_ambiguous(record, epoch, ambiguous_end) end
  if epoch ~= current then
    record.attempts = 0
    return 'older', at_once
  end
  record.attempts = (record.attempts or 0) + 1
  return 'retry', now + delay
end

local records, scores, done, answers = {}, {}, {}, {}
for i, uuid in ipairs(uuids) do
  local at = HEAD + (i - 1) * WIDTH
  local token, epoch, called, claimed_at = ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4], tonumber(ARGV[at + 5])
  local result, status, ambiguous_end, delay = ARGV[at + 6], ARGV[at + 7], tonumber(ARGV[at + 8]), tonumber(ARGV[at + 9])
  local record = read_delivery(jsons[i])
  if record.lease ~= token then
    answers[i] = 'stale'
  else
    local next_at
    record.lease, record.leaseEnd = nil, nil
    if result == 'released' then
      answers[i], next_at = 'released', at_once
    else
      record.lastStatus = status
      record.address = status ~= 'bad-address' and called or nil
      if result == 'acknowledged' then
        answers[i], next_at = acknowledged(record, epoch, called, addresses[i], claimed_at)
      else
        answers[i], next_at = failed(record, epoch, ambiguous_end, delay)
      end
    end
    records[#records + 1], records[#records + 2] = uuid, write_delivery(record)
    if next_at then
      scores[#scores + 1], scores[#scores + 2] = whole(next_at), uuid
    else
      done[#done + 1] = uuid
    end
  end
end

-- The lease goes before the membership: nothing leaves deliveries:due while it has one, even if this ends half-way.
variadic('HSET', deliveries, records, 2)
variadic('ZADD', due, scores, 2)
variadic('ZREM', due, done, 1)
local remaining = redis.call('ZCARD', due)

-- The last delivery of the epoch has gone: how it went is summed up, once, from the records.
if #done > 0 and remaining == 0 then
  local told, first_ack, last_ack = 0, nil, nil
  local prefix = '^{"ackedEpoch":' .. whole(current) .. ',"ackedAt":(%d+)'
  for _, json in ipairs(redis.call('HVALS', deliveries)) do
    local acked_at = tonumber(string.match(json, prefix))
    if acked_at then
      told = told + 1
      first_ack = math.min(first_ack or acked_at, acked_at)
      last_ack = math.max(last_ack or acked_at, acked_at)
    end
  end
  redis.call('XADD', history, 'MAXLEN', '~', 1000, '*',
    'epoch', whole(current), 'firstAck', whole(first_ack or now), 'lastAck', whole(last_ack or now), 'told', told)
end

if redis.call('GET', drain_lease) == drain then
  if ends then redis.call('DEL', drain_lease) else redis.call('SET', drain_lease, drain, 'PX', lease_ms) end
end
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
return {remaining, first[2] and whole(tonumber(first[2])) or '', unpack(answers)}
`,
);

/** A delivery whose attempt came to an end at `endedAt`, ms of Redis's time. */
export interface Ended {
  readonly delivery: Claimed;
  readonly result: Result;
  readonly endedAt: number;
}

export interface SettleRequest {
  readonly nowMs: number;
  readonly drainToken: string;
  readonly notifyTimeoutMs: number;
  /** Whether the drain ends with this and lets go of its lease. */
  readonly ends: boolean;
  readonly ended: readonly Ended[];
  /** Uniform in [0, 1), for the backoff. */
  readonly random: () => number;
}

/**
 * The settle of many deliveries. It may be repeated: it counts only while the record holds the claim's token, and takes
 * it out; tokens are never used again, so that a second run finds either no lease or somebody else's, and does nothing,
 * also if the delivery was claimed anew in between. A late one counts as long as nobody took the delivery over: nothing
 * was sent since. `lease:notify` is renewed, or let go of, only while this drain holds it.
 */
export function settleCall(keys: Keys, request: SettleRequest): ScriptCall {
  return {
    script: SETTLE,
    keys: [keys.due, keys.deliveries, keys.producers, keys.ip, keys.lease('notify'), keys.ipHistory],
    args: [
      request.nowMs,
      request.drainToken,
      leaseMs(request.notifyTimeoutMs),
      request.ends ? 1 : 0,
      ...request.ended.flatMap((ended) => argsOf(ended, request)),
    ],
  };
}

function argsOf({ delivery, result, endedAt }: Ended, { nowMs, random }: SettleRequest): (string | number)[] {
  const { uuid, token, epoch, rawAddress, claimedAt } = delivery;
  const claim = [uuid, token, epoch, rawAddress, claimedAt];
  switch (result.kind) {
    case 'released':
      return [...claim, 'released', '', '', 0];
    case 'acknowledged':
      return [...claim, 'acknowledged', result.status, '', 0];
    case 'failed': {
      const delay =
        result.error === 'bad-address'
          ? HOUR_MS
          : retryDelayMs({
              attempts: delivery.attempts + 1,
              firstAt: delivery.firstAt,
              nowMs,
              retryAfterMs: result.retryAfterMs,
              random: random(),
            });
      const status = result.error === 'status' ? (result.status ?? 'status') : result.error;
      return [...claim, 'failed', status, result.ambiguous ? endedAt : '', delay];
    }
  }
}

/**
 * `told`: acknowledged, and done. `again`: acknowledged, but an attempt with an older address may still arrive, so it is
 * told once more. `moved`: acknowledged at an address that is no longer the producer's. `older`: an attempt of an epoch
 * that has passed. `retry`: failed, to be tried again. `stale`: the claim no longer held it, or this was settled before.
 */
export type Settled = 'told' | 'again' | 'moved' | 'older' | 'retry' | 'released' | 'stale';

const SETTLED: readonly string[] = ['told', 'again', 'moved', 'older', 'retry', 'released', 'stale'];
const isSettled = (text: string): text is Settled => SETTLED.includes(text);

/** What became of each delivery, in the order of the request. @throws RedisReplyError if it is no reply of the settle. */
export function readSettleReply(reply: Reply): { settled: readonly Settled[]; backlog: Backlog } {
  const [remaining, nextDueAt, ...settled] = Array.isArray(reply) ? reply.map(String) : [];
  if (remaining === undefined || !settled.every(isSettled)) {
    throw new RedisReplyError('ERR the settle of deliveries gave an answer that it never gives');
  }
  return { settled, backlog: readBacklog(remaining, nextDueAt) };
}
