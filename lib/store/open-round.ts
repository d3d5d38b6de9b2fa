import { randomBytes, randomUUID } from 'node:crypto';
import { RedisUnavailableError } from '../errors.ts';
import { parseIp } from '../peers/ip-space.ts';
import { parseUuid } from '../peers/uuid.ts';
import type { ScriptCall } from '../redis/redis.ts';
import { createCandidateStore, decodeCandidate, SLOTS } from './candidates.ts';
import { createConsumerStore } from './consumers.ts';
import { CLOCK_SLACK_MS } from './health-record.ts';
import { verifyIdentity } from './identity.ts';
import { LEASE_MS, releaseCall } from './lease.ts';
import { storeScript } from './lua.ts';
import { cursorField, decodePartState, LAST_PROBED } from './part-state.ts';
import { listOf, orThrow, pairsOf } from './replies.ts';
import type { OpenRequest, RoundStore } from './rounds.ts';
import { createSession, type RoundStoreOptions, type Session } from './session.ts';

/** Of `consumers:called`, the most that one round takes. */
const MOST_CALLED = 1_000;
/** A run that is cut off has a second left, at most. */
const RELEASE_TIMEOUT_MS = 800;
/** The field of `consumers:candidates` that is no slot. */
export const SECRET = 'secret';

/**
 * Begins a round or a shard of one: proves the identity, takes the lease and reads what the round starts from, in one
 * command. Repeatable: a lease that is already ours is taken again.
 *
 * KEYS: uuid, lease, consumers, cursor, ip, candidates, called.
 * ARGV: our uuid, our token, the lease's length in ms, `1` for the first shard, a secret for a database that has none, how
 * many called ones to take.
 * Answers `{'identity', what is stored}` if Redis is not proven to be ours, `{'held'}` if another has the lease, else
 * `{'ok', number of consumers, our own IP, cursors and candidates as flat lists, called uuids, keys of a wrong type}`.
 * A wrong type of the last three keys is answered, because a round can do without them; elsewhere it is an error.
 */
const OPEN_ROUND = storeScript(
  'open-round',
  `
local identity = text_of(KEYS[1])
if identity == nil then return {'identity', 'of a wrong type'} end
if not identity or string.lower(identity) ~= ARGV[1] then return {'identity', identity} end
local consumers = read('HLEN', KEYS[3])
local cursors = read('HGETALL', KEYS[4])

local unusable = {}
local function usable(reply, name)
  if type(reply) ~= 'table' or not reply.err then return reply end
  unusable[#unusable + 1] = name
  return false
end
local own = usable(redis.pcall('HGET', KEYS[5], 'current'), 'ip')
local first = ARGV[4] == '1'
local candidates = first and usable(redis.pcall('HGETALL', KEYS[6]), 'consumers:candidates')
local calling = first and usable(redis.pcall('SSCAN', KEYS[7], '0', 'COUNT', ARGV[6]), 'consumers:called')

if not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then
  local holder = lease_holder(KEYS[2], ARGV[2], tonumber(ARGV[3]))
  if holder and holder ~= ARGV[2] then return {'held'} end
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
if candidates then
  local secret, old = false, {}
  for i = 1, #candidates, 2 do
    local name = candidates[i]
    local slot = string.find(name, '^%d+$') and tonumber(name)
    if name == '${SECRET}' then secret = true
    elseif not slot or slot >= ${SLOTS} or name ~= whole(slot) then old[#old + 1] = name end
  end
  if not secret then
    redis.call('HSET', KEYS[6], '${SECRET}', ARGV[5])
    candidates[#candidates + 1] = '${SECRET}'
    candidates[#candidates + 1] = ARGV[5]
  end
  variadic('HDEL', KEYS[6], old, 1)
end
local called = {}
for i = 1, math.min(calling and #calling[2] or 0, tonumber(ARGV[6])) do called[i] = calling[2][i] end
variadic('SREM', KEYS[7], called, 1)
return {'ok', consumers, own, cursors, candidates or {}, called, unusable}
`,
);

/** The store of one invocation of `sync`, over Redis. */
export function createRoundStore(options: RoundStoreOptions): RoundStore {
  const session = createSession(options);
  return {
    nowMs: () => session.clock.nowMs(),
    get commands() {
      return session.commands;
    },
    openRound: createRoundOpener(session),
    ...createConsumerStore(session),
    ...createCandidateStore(session),
    close: () => session.close(),
  };
}

/** Makes `openRound`: one trip, for the time and the script. A shard asks for the time first. */
function createRoundOpener(session: Session): RoundStore['openRound'] {
  const { redis, keys, clock, localUuid, signal } = session;

  const ask = async ({ shard }: OpenRequest) => {
    // One for each attempt to get the lease, never one for several.
    const token = randomUUID();
    const key = keys.lease(`sync:${shard}`);
    const call: ScriptCall = {
      script: OPEN_ROUND,
      keys: [keys.uuid, key, keys.consumers, keys.cursor, keys.ip, keys.candidates, keys.called],
      args: [
        localUuid,
        token,
        LEASE_MS,
        shard === 0 ? '1' : '0',
        randomBytes(16).toString('hex'),
        MOST_CALLED,
      ],
    };
    const takenMs = session.host.monotonicMs();
    const finishReading = clock.readings === 0 ? clock.startReading() : undefined;
    const replies = await redis
      .send(finishReading === undefined ? [call] : [['TIME'], call], { repeatable: true, signal })
      .catch(async (error: unknown) => {
        // The process ends while the reply is on its way: nobody else would give the lease back.
        const maybeOurs = error instanceof RedisUnavailableError && error.mayHaveRun && signal.aborted;
        if (maybeOurs) {
          const release = releaseCall(key, token);
          await redis.send([release], { repeatable: false, timeoutMs: RELEASE_TIMEOUT_MS }).catch(() => []);
        }
        throw error;
      });
    finishReading?.(replies[0]);
    return { lease: { key, token, takenMs }, reply: listOf(orThrow(replies.at(-1))) };
  };

  return async (request) => {
    const { shard, begun } = request;
    if (begun !== undefined) {
      await clock.refresh(redis, signal);
      if (Math.abs(clock.nowMs() - begun.at) > begun.withinMs) return 'late';
    }
    let { lease, reply } = await ask(request);
    if (reply[0] === 'identity') {
      await verifyIdentity(reply[1] ?? null, { redis, keys, localUuid, signal });
      ({ lease, reply } = await ask(request));
    }
    const [kind, consumers, own, cursors, candidates, called, unusable] = reply;
    if (kind !== 'ok') return 'held';

    const nowMs = clock.nowMs();
    const ownIp = parseIp(own);
    const states = new Map(pairsOf(cursors));
    const slots = new Map(pairsOf(candidates));
    session.cursorFields = [...states.keys()];
    return {
      at: afterLastProbe(states.get(LAST_PROBED), nowMs),
      lease: session.holdLease(lease),
      consumers: Number(consumers ?? 0),
      ...(ownIp === undefined ? {} : { ownIp }),
      stateOf: (of) => decodePartState(states.get(cursorField({ shard, of })), nowMs),
      secret: slots.get(SECRET) ?? '',
      candidates: [...slots].flatMap(([slot, json]) => decodeCandidate(slot, json) ?? []),
      called: listOf(called).flatMap((uuid) => parseUuid(uuid) ?? []),
      unusable: listOf(unusable).map(String),
    };
  };
}

/**
 * When a round begins: now, but after the probes of the last one, even if that one read its time by a slower reply and is
 * ahead of us. Else a round right after another would take the other's probes for its own. What lies far ahead is no time.
 */
export function afterLastProbe(lastProbed: unknown, nowMs: number): number {
  const last = Number(lastProbed ?? 0);
  return last >= nowMs && last < nowMs + CLOCK_SLACK_MS ? last + 1 : nowMs;
}
