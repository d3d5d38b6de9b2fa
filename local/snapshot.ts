import type { Command, Redis } from '../lib/redis/redis.ts';
import type { Keys } from '../lib/store/keys.ts';
import { type Answered, listOf, pairsOf } from '../lib/store/replies.ts';

type Fields = ReadonlyMap<string, string>;

export interface StreamEntry {
  readonly id: string;
  readonly fields: Fields;
}

/** What the watcher has read of Redis at one moment. The last five are absent where there are too many members. */
export interface Snapshot {
  /** Entries after those of the snapshot before. */
  readonly rounds: readonly StreamEntry[];
  readonly history: readonly StreamEntry[];
  readonly ip: Fields;
  readonly members?: {
    readonly consumers: Fields;
    readonly health: Fields;
    readonly candidates: Fields;
    readonly deliveries: Fields;
    readonly due: Fields;
  };
}

/** Where the streams were read up to. */
export interface Positions {
  readonly rounds: string;
  readonly history: string;
}

/** Above this many consumers or producers the terminal shows sums only, and the hashes are not read. */
const MOST_MEMBERS = 25;

/** Reads what changed, in two requests at most. Throws what `send` throws. */
export async function readSnapshot(
  redis: Redis,
  keys: Keys,
  after: Positions,
  signal: AbortSignal,
): Promise<Snapshot> {
  const read = (commands: readonly Command[]) => redis.send(commands, { repeatable: true, signal });
  const [rounds, history, ip, consumers, producers] = await read([
    ['XRANGE', keys.rounds, `(${after.rounds}`, '+', 'COUNT', 100],
    ['XRANGE', keys.ipHistory, `(${after.history}`, '+', 'COUNT', 100],
    ['HGETALL', keys.ip],
    ['HLEN', keys.consumers],
    ['HLEN', keys.deliveries],
  ]);
  const snapshot = { rounds: entries(rounds), history: entries(history), ip: fields(ip) };
  if (Number(consumers) > MOST_MEMBERS || Number(producers) > MOST_MEMBERS) return snapshot;
  const hashes = await read([
    ['HGETALL', keys.consumers],
    ['HGETALL', keys.health],
    ['HGETALL', keys.candidates],
    ['HGETALL', keys.deliveries],
    ['ZRANGE', keys.due, 0, -1, 'WITHSCORES'],
  ]);
  const [known, health, candidates, deliveries, due] = hashes.map(fields);
  return known && health && candidates && deliveries && due
    ? { ...snapshot, members: { consumers: known, health, candidates, deliveries, due } }
    : snapshot;
}

/** Where the streams end now, so that a start tells nothing of what happened before it. */
export async function readEnds(redis: Redis, keys: Keys, signal: AbortSignal): Promise<Positions> {
  const [rounds, history] = await redis.send(
    [
      ['XREVRANGE', keys.rounds, '+', '-', 'COUNT', 1],
      ['XREVRANGE', keys.ipHistory, '+', '-', 'COUNT', 1],
    ],
    { repeatable: true, signal },
  );
  const end = (reply: Answered) => entries(reply)[0]?.id ?? '0-0';
  return { rounds: end(rounds), history: end(history) };
}

function entries(reply: Answered): StreamEntry[] {
  return listOf(reply).flatMap((entry) =>
    Array.isArray(entry) ? [{ id: String(entry[0]), fields: fields(entry[1]) }] : [],
  );
}

function fields(reply: Answered): Fields {
  return new Map(pairsOf(reply));
}
