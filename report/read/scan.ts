import type { Redis, Reply } from '../../lib/redis/redis.ts';
import { listOf, orThrow } from './fields.ts';

/** Entries a page, more or less. */
const PAGE_SIZE = 1_000;

/** Above so many members a command that did not ask for all of them reads none: each 1,000 cost two or three commands. */
export const CHEAP_MEMBERS = 10_000;

export type ScanEntry = readonly [name: string, value: string];

/**
 * Reads a hash or a sorted set page by page, one command each, so that memory does not grow with it. An entry may come
 * more than once while the hash grows or shrinks.
 *
 * @throws RedisUnavailableError; RedisReplyError where the key holds another type.
 */
export async function* scanPages(
  redis: Redis,
  { command, key, match }: { command: 'HSCAN' | 'ZSCAN'; key: string; match?: string | undefined },
): AsyncGenerator<readonly ScanEntry[]> {
  let cursor = '0';
  do {
    const [reply] = await redis.send(
      [[command, key, cursor, ...(match === undefined ? [] : ['MATCH', match]), 'COUNT', PAGE_SIZE]],
      { repeatable: true },
    );
    const [next, flat] = listOf(orThrow(reply));
    cursor = String(next ?? '0');
    yield pairsOf(flat);
  } while (cursor !== '0');
}

/** Reads a hash that is known to be small in one command. @throws as `scanPages` does. */
export async function* readHash(redis: Redis, key: string): AsyncGenerator<readonly ScanEntry[]> {
  const [reply] = await redis.send([['HGETALL', key]], { repeatable: true });
  yield pairsOf(orThrow(reply));
}

/** A flat list of names and values, as Redis answers it, in pairs. Anything else is empty. */
export function pairsOf(flat: Reply | undefined): ScanEntry[] {
  const values = listOf(flat);
  const entries: ScanEntry[] = [];
  for (let i = 0; i + 1 < values.length; i += 2) entries.push([String(values[i]), String(values[i + 1])]);
  return entries;
}
