import type { ShardEvent } from './event.ts';

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

/** In how many invocations a round over `consumers` consumers runs, of which it probes `maxProbes` at most. */
export function shardCount(
  consumers: number,
  { shardAbove, maxShards, maxProbes }: { shardAbove: number; maxShards: number; maxProbes: number },
): number {
  const probed = Math.min(consumers, maxProbes);
  return probed <= shardAbove ? 1 : Math.min(maxShards, Math.ceil(probed / shardAbove));
}

/** The payloads for the other shards of a round; shard 0 stays with the invocation that splits it. */
export function otherShards(round: string, at: number, of: number): ShardEvent[] {
  return Array.from({ length: of - 1 }, (_, i) => ({ round, at, shard: i + 1, of, depth: 1 as const }));
}
