import { RedisReplyError } from '../errors.ts';
import type { Address } from '../peers/address.ts';
import { type PeerRecord, parsePeerRecord } from '../peers/registry.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { Reply } from '../redis/redis.ts';
import type { RoundContext } from './context.ts';
import { decodeHealth, type HealthRecord, isDue, probedAt } from './health.ts';
import { shardOf } from './shard.ts';
import { increment, type SkipReason } from './summary.ts';

/** How many consumers a page of one shard has, more or less. */
const PAGE_SIZE = 1_000;

/** One consumer of a page. `next` is its record after a probe. */
export interface Entry {
  readonly record: PeerRecord;
  readonly health: HealthRecord | undefined;
  readonly due: boolean;
  next?: HealthRecord;
}

/** The consumers of a page at one address. They cost one probe, if one of them is due. */
export interface AddressGroup {
  readonly address: Address;
  readonly entries: readonly Entry[];
}

/** A page of `consumers` that was read and is not yet written. */
export interface Page {
  /** Where it begins, and where the next one does; `0` after the last. Opaque. */
  readonly cursor: string;
  readonly next: string;
  /** When its first probe started, by the monotonic clock; when it was read, until then. */
  readonly began: { ms: number };
  readonly entries: readonly Entry[];
  /** Those with a due entry, the longest unprobed first, as far as the budget reaches. */
  readonly due: readonly AddressGroup[];
  /** Whether the budget did not reach for all that are due. */
  readonly cut: boolean;
  readonly uuids: ReadonlySet<Uuid>;
}

/**
 * Reads one page with its health, in two commands. What cannot be used is counted, what another shard takes is left out;
 * a consumer that is in an open page, or was probed since the pass over all pages or this round began, is not due again.
 *
 * @returns `rejected` if Redis does not take the cursor.
 * @throws RedisUnavailableError, RedisReplyError
 */
export async function readPage(
  context: RoundContext,
  { cursor, passAt, open }: { cursor: string; passAt: number; open: readonly Page[] },
): Promise<Page | 'rejected'> {
  const { redis, keys, host, part, time, budget } = context;
  const [scan] = await redis.send([['HSCAN', keys.consumers, cursor, 'COUNT', PAGE_SIZE * part.of]], {
    repeatable: true,
  });
  if (scan instanceof RedisReplyError) {
    if (cursor !== '0' && scan.code !== 'WRONGTYPE') return 'rejected';
    throw scan;
  }
  const { next, fields } = parseScan(scan);
  const records = selectRecords(fields, open, context);
  const healths = await readHealth(records, context);

  const nowMs = context.nowMs();
  const entries: Entry[] = [];
  for (const [index, record] of records.entries()) {
    const health = decodeHealth(healths[index], nowMs);
    if (probedAt(health, record.address.key) >= Math.min(passAt, part.at))
      increment(context.tally.skipped, 'repeated');
    else entries.push({ record, health, due: isDue(health, record.address.key, time) });
  }
  const due = groupByAddress(entries).filter((group) => group.entries.some(({ due }) => due));
  const planned = due.slice(0, budget.take(due.length));
  return {
    cursor,
    next,
    began: { ms: host.monotonicMs() },
    entries,
    due: planned,
    cut: planned.length < due.length,
    uuids: new Set(records.map(({ uuid }) => uuid)),
  };
}

function parseScan(reply: Reply | undefined): { next: string; fields: readonly Reply[] } {
  const [next, fields] = Array.isArray(reply) ? reply : [];
  if ((typeof next !== 'string' && typeof next !== 'number') || !Array.isArray(fields)) {
    throw new RedisReplyError('ERR what was answered is no reply to HSCAN');
  }
  return { next: String(next), fields };
}

function selectRecords(
  fields: readonly Reply[],
  open: readonly Page[],
  { policy, part, tally, isOurs }: RoundContext,
): PeerRecord[] {
  const records = new Map<Uuid, PeerRecord>();
  // Each shard reads every page; what belongs to none of them is counted by the first.
  const skip = (reason: SkipReason) => {
    if (part.shard === 0) increment(tally.skipped, reason);
  };
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const parsed = parsePeerRecord(fields[i], fields[i + 1], policy);
    if ('refused' in parsed) {
      skip(parsed.refused);
      continue;
    }
    const { uuid, address } = parsed.record;
    if (isOurs(uuid, address)) skip('self');
    else if (shardOf(address.key, part.of) !== part.shard) continue;
    else if (records.has(uuid) || open.some(({ uuids }) => uuids.has(uuid)))
      increment(tally.skipped, 'repeated');
    else records.set(uuid, parsed.record);
  }
  return [...records.values()];
}

async function readHealth(
  records: readonly PeerRecord[],
  { redis, keys }: RoundContext,
): Promise<readonly Reply[]> {
  if (records.length === 0) return [];
  const [reply] = await redis.send([['HMGET', keys.health, ...records.map(({ field }) => field)]], {
    repeatable: true,
  });
  if (reply instanceof RedisReplyError) throw reply;
  return Array.isArray(reply) ? reply : [];
}

function groupByAddress(entries: readonly Entry[]): AddressGroup[] {
  const groups = new Map<string, { address: Address; entries: Entry[] }>();
  const probed = (entry: Entry) => probedAt(entry.health, entry.record.address.key);
  for (const entry of entries.toSorted((a, b) => probed(a) - probed(b))) {
    const { address } = entry.record;
    const group = groups.get(address.key);
    if (group === undefined) groups.set(address.key, { address, entries: [entry] });
    else group.entries.push(entry);
  }
  return [...groups.values()];
}
