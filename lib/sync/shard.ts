import * as v from 'valibot';
import { EventError } from '../errors.ts';

/** What a run of `sync` was started for. */
export type SyncEvent = { readonly kind: 'scheduled' } | ({ readonly kind: 'shard' } & ShardEvent);

/** The part of a round that one invocation hands to another. */
export type ShardEvent = v.InferOutput<typeof SHARD>;

/** Bounds what a payload can claim; the configuration allows as many shards. */
const MAX_SHARDS = 100;

const SHARD = v.pipe(
  v.strictObject({
    /** The id of the round that this is a part of. */
    round: v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,128}$/)),
    /** When that round began, by Redis's clock. */
    at: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    shard: v.pipe(v.number(), v.integer(), v.minValue(1)),
    of: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(MAX_SHARDS)),
    /** A shard invokes nothing. Any other depth would be a chain, which nobody of ours starts. */
    depth: v.picklist([1]),
  }),
  v.check(({ shard, of }) => shard < of, 'Invalid shard: expected less than of'),
);

/**
 * Reads an event. An object without a field of ours is a scheduled run, whatever the scheduler put into it. One that was
 * meant for `producer-notify` is refused: whoever sent it has to know that nothing came of it.
 *
 * @throws EventError for anything else that is no shard.
 */
export function parseSyncEvent(event: unknown): SyncEvent {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) {
    throw new EventError('The event of sync must be an object: a scheduled event or a shard.');
  }
  if (['ip', 'epoch', 'changed'].some((field) => field in event)) {
    throw new EventError(
      'sync takes no address: a change of it never starts a round. Invoke producer-notify with {"ip": …} instead.',
    );
  }
  if (!Object.keys(SHARD.entries).some((field) => Object.hasOwn(event, field))) return { kind: 'scheduled' };
  const parsed = v.safeParse(SHARD, event);
  if (parsed.success) return { kind: 'shard', ...parsed.output };
  const faults = new Set(parsed.issues.map((issue) => v.getDotPath(issue) ?? 'shard'));
  const known = [...faults].filter((fault) => fault in SHARD.entries);
  throw new EventError(
    `The event of sync is no valid shard: ${known.length > 0 ? known.join(', ') : 'it has a field that is unknown'}.`,
  );
}

/** FNV-1a, 32 bit (http://www.isthe.com/chongo/tech/comp/fnv/), over the UTF-16 units of an ASCII string. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

/**
 * Which of `of` shards probes an address, by its canonical `ip:port`: all uuids at one address are in one shard, so that
 * no two shards ever call it.
 */
export function shardOf(addressKey: string, of: number): number {
  return of === 1 ? 0 : fnv1a(addressKey) % of;
}

/** Of fewer calls there is no tenth for second calls, and none of the rest for candidates. */
const LEAST_SHARE = 20;

/** In how many invocations a round over `consumers` consumers runs, of which it probes `maxProbes` at most. */
export function shardCount(
  consumers: number,
  { shardAbove, maxShards, maxProbes }: { shardAbove: number; maxShards: number; maxProbes: number },
): number {
  const probed = Math.min(consumers, maxProbes);
  if (probed <= shardAbove) return 1;
  return Math.min(maxShards, Math.ceil(probed / shardAbove), Math.floor(maxProbes / LEAST_SHARE));
}

/** The payloads for the other shards of a round; shard 0 stays with the invocation that splits it. */
export function otherShards(round: string, at: number, of: number): ShardEvent[] {
  return Array.from({ length: of - 1 }, (_, i) => ({ round, at, shard: i + 1, of, depth: 1 as const }));
}
