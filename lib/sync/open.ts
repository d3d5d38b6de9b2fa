import { randomUUID } from 'node:crypto';
import type { Config } from '../config.ts';
import { RedisReplyError } from '../errors.ts';
import type { Host, Invocation } from '../host.ts';
import type { RedisClock } from '../redis/clock.ts';
import { newLeaseToken } from '../redis/lease.ts';
import type { Redis, Reply, ScriptCall } from '../redis/redis.ts';
import { verifyIdentity } from '../store/identity.ts';
import type { Keys } from '../store/keys.ts';
import type { Part } from './context.ts';
import { decodePosition, type Position } from './cursor.ts';
import type { SyncEvent } from './event.ts';
import { CLOCK_SLACK_MS } from './health.ts';
import { LEASE_MS } from './hold.ts';
import { OPEN_ROUND } from './open.lua.ts';
import { shardCount } from './shard.ts';

/** A round that may run, or why it does nothing. */
export type Opened =
  | OpenRound
  | { readonly kind: 'skipped'; readonly reason: 'held' | 'late'; readonly part: Part };

/** What a round starts from. */
export interface OpenRound {
  readonly kind: 'open';
  readonly part: Part;
  /** The lease: its token, and when it was asked for by the monotonic clock. */
  readonly token: string;
  readonly takenMs: number;
  readonly start: Position;
  /** The fields `current` and `previous` of the register, as they are. */
  readonly ownIps: readonly Reply[];
  /** uuid and JSON in turn; empty for all shards but the first. */
  readonly candidates: readonly Reply[];
  /** Names of keys that hold a wrong type, and that the round can do without. */
  readonly unusable: readonly Reply[];
}

export interface OpenParts {
  readonly config: Config;
  readonly redis: Redis;
  readonly keys: Keys;
  readonly host: Host;
  readonly clock: RedisClock;
}

/**
 * Opens a round in one trip: the time, the identity, the lease, and what the round starts from. A shard asks for the time
 * first, and takes no lease if its round began more than an interval ago.
 *
 * @throws IdentityError, RedisUnavailableError; RedisReplyError naming a key that holds another type.
 */
export async function openRound(
  event: SyncEvent,
  { requestId, signal }: Pick<Invocation, 'requestId' | 'signal'>,
  parts: OpenParts,
): Promise<Opened> {
  const { config, redis, keys, host, clock } = parts;
  if (event.kind === 'shard') {
    await clock.refresh(redis, signal);
    if (Math.abs(clock.nowMs() - event.at) > config.sync.intervalMs) {
      return { kind: 'skipped', reason: 'late', part: event };
    }
  }
  const token = newLeaseToken();
  const maxShards = config.sync.functionName === undefined ? 1 : config.sync.maxShards;
  const ofs = Array.from({ length: maxShards }, (_, i) => i + 1);
  const fields =
    event.kind === 'shard'
      ? [cursorField(event)]
      : [LAST_PROBED, ...ofs.map((of) => cursorField({ shard: 0, of }))];
  const call: ScriptCall = {
    script: OPEN_ROUND,
    keys: [
      keys.uuid,
      keys.lease(`sync:${event.kind === 'shard' ? event.shard : 0}`),
      keys.consumers,
      keys.health,
      keys.cursor,
      keys.ip,
      keys.candidates,
    ],
    args: [config.localUuid, token, LEASE_MS, event.kind === 'shard' ? '0' : '1', ...fields],
  };

  const send = async () => {
    const takenMs = host.monotonicMs();
    const finishReading = clock.readings === 0 ? clock.startReading() : undefined;
    const replies = await redis.send(finishReading === undefined ? [call] : [['TIME'], call], {
      repeatable: true,
      signal,
    });
    finishReading?.(replies[0]);
    const reply = replies.at(-1);
    if (reply instanceof RedisReplyError) throw reply;
    return { takenMs, reply: list(reply) };
  };

  let { takenMs, reply } = await send();
  if (reply[0] === 'identity') {
    await verifyIdentity(reply[1] ?? null, { redis, keys, localUuid: config.localUuid, signal });
    ({ takenMs, reply } = await send());
  }
  const [kind, consumers, ownIps, cursors, candidates, unusable] = reply;
  const stored = new Map(fields.map((field, i) => [field, list(cursors)[i]]));
  const part = partOf(event, requestId, {
    at: afterLastProbe(stored.get(LAST_PROBED), clock.nowMs()),
    of: shardCount(Number(consumers ?? 0), { ...config.sync, maxShards }),
  });
  if (kind !== 'ok') return { kind: 'skipped', reason: 'held', part };
  return {
    kind: 'open',
    part,
    token,
    takenMs,
    start: decodePosition(stored.get(cursorField(part)), part.at),
    ownIps: list(ownIps),
    candidates: list(candidates),
    unusable: list(unusable),
  };
}

/** The field of `sync:cursor` that says when the last probes were written. */
const LAST_PROBED = 'probed';

/**
 * When a round begins: now, but after the probes of the last one, even if that one read its time by a slower reply and is
 * ahead of us. Else a round right after another takes the other's probes for its own. What lies far ahead is no time.
 */
function afterLastProbe(lastProbed: Reply | undefined, nowMs: number): number {
  const last = Number(lastProbed ?? 0);
  return last >= nowMs && last < nowMs + CLOCK_SLACK_MS ? last + 1 : nowMs;
}

/** The field of `sync:cursor` that belongs to a part. */
export function cursorField({ shard, of }: Pick<Part, 'shard' | 'of'>): string {
  return `${shard}/${of}`;
}

/** A round is called after the run that began it, if that has a name which can be handed on. */
function partOf(event: SyncEvent, requestId: string, { at, of }: { at: number; of: number }): Part {
  if (event.kind === 'shard') return event;
  return { round: /^[\x21-\x7e]{1,128}$/.test(requestId) ? requestId : randomUUID(), at, shard: 0, of };
}

function list(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}
