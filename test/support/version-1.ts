import { readFileSync } from 'node:fs';
import type { Reply } from '../../lib/redis/redis.ts';

/** How the fixture keeps one key: hashes and sorted sets by field, a stream's entries each with its `id`. */
type StoredKey = { readonly ttlMs?: number } & (
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'hash' | 'zset'; readonly value: Readonly<Record<string, string>> }
  | { readonly type: 'stream'; readonly value: readonly Readonly<Record<string, string>>[] }
);

interface Version1 {
  /** Redis's time when the database was saved, ms. Version 2 has to go on from here. */
  readonly nowMs: number;
  readonly database: Readonly<Record<string, StoredKey>>;
}

/** The consumer that the database belongs to. */
export const VERSION_1_UUID = '6f1c1a6e-0f52-4b53-9f60-3f2b8c0f9a01';

/**
 * A database that version 1 wrote, saved key by key with the default prefix. The scheduler of commit 7d3b7eb (its
 * `createApp`, a real redis-server, a clock and peers of the script's own) made it in these steps:
 *
 * 1. The address 203.0.113.10 was found and told to two producers; three rounds followed, in which consumers answered
 *    well, with 429, 503, another uuid, 500, or not at all. A teacher named four others: one became a consumer.
 * 2. The address became 203.0.113.20. Of 14 producers one answered 500, one 502, one timed out, one refused, one has
 *    no usable address; two more failed and were then removed from `producers` and found missing.
 * 3. The process died while producers 13 and 14 were in flight, and again a minute later with 11 and 12 in flight.
 * 4. Five seconds later the operator's word made it 203.0.113.30: the leases of 13 and 14 have ended unsettled, those
 *    of 11 and 12 are live; all are of the older epoch. One check counted for 203.0.113.10, the next found nothing out.
 * 5. 60 consumers were added, and a round ended for lack of time in its third page.
 */
export const version1: Version1 = JSON.parse(
  readFileSync(new URL('../fixtures/version-1.json', import.meta.url), 'utf8'),
);

/** Writes the database into an empty Redis. */
export async function loadVersion1(
  command: (name: string, ...args: (string | number)[]) => Promise<Reply>,
): Promise<void> {
  for (const [key, stored] of Object.entries(version1.database)) {
    switch (stored.type) {
      case 'string':
        await command('SET', key, stored.value);
        break;
      case 'hash':
        await command('HSET', key, ...Object.entries(stored.value).flat());
        break;
      case 'zset':
        await command(
          'ZADD',
          key,
          ...Object.entries(stored.value).flatMap(([member, score]) => [score, member]),
        );
        break;
      case 'stream':
        for (const { id = '*', ...fields } of stored.value) {
          await command('XADD', key, id, ...Object.entries(fields).flat());
        }
    }
    if (stored.ttlMs !== undefined) await command('PEXPIRE', key, stored.ttlMs);
  }
}
