import { parseUuid, type Uuid } from '../lib/peers/uuid.ts';
import type { Command, Redis } from '../lib/redis/redis.ts';
import { createKeys } from '../lib/store/keys.ts';
import { repliesTo } from '../lib/store/replies.ts';
import { jsonObject } from './http.ts';

/** One consumer that a reply may name. */
export interface Introduced {
  readonly uuid: Uuid;
  readonly ip: string;
}

/** What Redis holds of a caller and of the network, as far as an answer needs it. */
export interface Known {
  /** The caller's entry in `consumers`, the very string. */
  readonly address?: string;
  /** How many entries `consumers` has. */
  readonly consumers: number;
  /** Whether our scheduler reached the caller at that address. Absent where it does not know. */
  readonly answers?: boolean;
  /** Whom the scheduler suggests to name. */
  readonly introduces: readonly Introduced[];
}

/** What the API keeps in Redis, by docs/REDIS.md. Every function rejects if Redis does not answer in time. */
export interface Memory {
  /** Reads all that an answer needs, in one round trip. Without a caller: what is not about one. */
  look(caller: Uuid | undefined): Promise<Known>;
  /** Records a new consumer. False if it was there already. */
  add(uuid: Uuid, address: string): Promise<boolean>;
  /** Replaces an address if it is still the one that was read. */
  replace(uuid: Uuid, from: string, to: string): Promise<boolean>;
  /** Asks the scheduler to probe a consumer in its next round. */
  called(uuid: Uuid): Promise<void>;
}

/** An answer has to leave within the 3 s of the caller's deadline, also while Redis does not answer. */
const REDIS_MS = 1_000;

const REPLACE = `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1`;

/** `intervalMs` is the scheduler's `SYNC_INTERVAL_MS`: it tells when what the scheduler wrote is too old. */
export function createMemory(redis: Redis, prefix: string, intervalMs: number): Memory {
  const keys = createKeys(prefix);
  const send = (...commands: Command[]) =>
    repliesTo(redis, commands, { timeoutMs: REDIS_MS, signal: AbortSignal.timeout(REDIS_MS) });

  return {
    async look(caller) {
      const field = caller ?? '';
      const [address, consumers, health, reply, rounds, time] = await send(
        ['HGET', keys.consumers, field],
        ['HLEN', keys.consumers],
        ['HGET', keys.health, field],
        ['GET', keys.reply],
        ['XREVRANGE', keys.rounds, '+', '-', 'COUNT', 1],
        ['TIME'],
      );
      const known = { consumers: Number(consumers), ...(typeof address === 'string' && { address }) };
      // "When to distrust health": the scheduler has not finished a round for three intervals.
      const nowMs = Number(Array.isArray(time) ? time[0] : 0) * 1_000;
      if (nowMs - lastRoundMs(rounds) > 3 * intervalMs) return { ...known, introduces: [] };
      const answers = typeof address === 'string' ? answeredAt(address, health) : undefined;
      return { ...known, ...(answers !== undefined && { answers }), introduces: introducedBy(reply) };
    },
    async add(uuid, address) {
      const [added] = await send(['HSETNX', keys.consumers, uuid, address]);
      return added === 1;
    },
    async replace(uuid, from, to) {
      const [replaced] = await send(['EVAL', REPLACE, 1, keys.consumers, uuid, from, to]);
      return replaced === 1;
    },
    async called(uuid) {
      await send(['SADD', keys.called, uuid]);
    },
  };
}

/** A record about another address than the entry is about a consumer that has moved since: it says nothing. */
function answeredAt(address: string, health: unknown): boolean | undefined {
  const record = typeof health === 'string' ? jsonObject(health) : undefined;
  return record?.address === address ? record.state === 'alive' : undefined;
}

/** The milliseconds in the id of the newest entry. */
function lastRoundMs(rounds: unknown): number {
  const newest: unknown = Array.isArray(rounds) ? rounds[0] : undefined;
  return Array.isArray(newest) ? Number.parseInt(String(newest[0]), 10) : 0;
}

function introducedBy(reply: unknown): Introduced[] {
  const consumers = typeof reply === 'string' ? jsonObject(reply)?.consumers : undefined;
  if (!Array.isArray(consumers)) return [];
  return consumers.flatMap((entry) => {
    const uuid = parseUuid(entry?.uuid);
    return uuid !== undefined && typeof entry.ip === 'string' ? [{ uuid, ip: entry.ip }] : [];
  });
}
