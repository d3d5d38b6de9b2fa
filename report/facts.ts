import type { AppParts } from '../lib/app.ts';
import { RedisReplyError } from '../lib/errors.ts';
import type { Register } from '../lib/ip/register.ts';
import type { Ip } from '../lib/peers/ip-space.ts';
import type { Uuid } from '../lib/peers/uuid.ts';
import { candidatesIn } from '../lib/store/candidates.ts';
import { type Answered, countOf, isWrongType, listOf, pairsOf } from '../lib/store/replies.ts';
import type { Mirror } from '../lib/sync/summary.ts';
import { type ConsumerFacts, countConsumers, type Depth } from './consumers.ts';
import { type DayHistory, decodeDays } from './days.ts';
import type { ConsumerRow } from './peers/consumer-row.ts';
import type { ProducerRow } from './peers/producer-row.ts';
import { readDue } from './peers/read-peers.ts';
import { begin, policyFor } from './read/begin.ts';
import { type Change, currentTelling, readChanges } from './read/changes.ts';
import { JUDGED_ROUNDS, type Round, readRounds } from './read/rounds.ts';

/** What Redis says about this consumer at one moment. All times are Redis's, in ms. */
export interface Facts {
  readonly nowMs: number;
  readonly uuid: Uuid;
  readonly syncEveryMs: number;
  readonly checkEveryMs: number;
  /** How many operators of IP sources must agree, and how many there are. */
  readonly quorum: number;
  readonly operators: number;
  /** Whether anything of ours has ever run on this Redis. */
  readonly begun: boolean;
  readonly register: Register;
  /** Fields of the register that cannot be used. */
  readonly poisoned: readonly string[];
  /** Keys that hold another type than ours. */
  readonly wrongTypes: readonly string[];
  readonly consumers: ConsumerFacts;
  /** The newest first. */
  readonly rounds: readonly Round[];
  readonly syncRuns: boolean;
  readonly producers: ProducerFacts;
  readonly notifyRuns: boolean;
  /** The newest first. */
  readonly changes: readonly Change[];
  /** What peers said about us in the last round that asked them; absent while none has. */
  readonly mirror?: MirrorFacts;
  /** The days of this consumer itself; absent while none is kept. */
  readonly days?: DayHistory;
}

/** What peers say about us, held against the register. */
export interface MirrorFacts {
  /** When the round was. */
  readonly at: number;
  /** Voices that saw our calls come from the register's address, and from another one. */
  readonly here: number;
  readonly elsewhere: number;
  /** The other address that most of them saw. */
  readonly other?: string;
  readonly reached: number;
  readonly unreached: number;
}

/** What is known about producers. */
export interface ProducerFacts {
  readonly known: number;
  /** Deliveries that have not come to an end. */
  readonly due: number;
  /** Of these, due for so long that nobody delivers. */
  readonly overdue: number;
  /** Those that are due first: they have waited longest. */
  readonly first: readonly ProducerRow[];
}

/** Producers that are shown: those due first. */
const SHOWN_PRODUCERS = 20;
/** A change is one or two entries, and a few repeat one. */
const HISTORY_ENTRIES = 40;
/** Enough for five hours of rounds at the default interval. */
const ROUND_ENTRIES = 60;

/**
 * Reads the facts in five trips of 20 commands at most. Above 2,000 consumers (1,000 for a verdict) the last complete
 * round says how they are, if it is recent, unless `all` asks for every record: then it is two more commands for each 1,000.
 *
 * @throws IdentityError, RedisUnavailableError, RedisReplyError; a key of another type is a fact, not an error.
 */
export async function readFacts(parts: AppParts, depth: Depth): Promise<Facts> {
  const { keys, config } = parts;
  const { nowMs, identity, register, poisoned, rest } = await begin(parts, [
    ['XREVRANGE', keys.ipHistory, '+', '-', 'COUNT', HISTORY_ENTRIES],
    [
      'XREVRANGE',
      keys.rounds,
      '+',
      '-',
      'COUNT',
      Math.max(ROUND_ENTRIES, JUDGED_ROUNDS * config.sync.maxShards),
    ],
    ['HLEN', keys.consumers],
    ['HLEN', keys.health],
    ['HLEN', keys.candidates],
    ['HLEN', keys.producers],
    ['HLEN', keys.deliveries],
    ['ZCARD', keys.due],
    ['ZRANGE', keys.due, 0, SHOWN_PRODUCERS - 1, 'WITHSCORES'],
    ['MGET', keys.lease('sync:0'), keys.lease('notify')],
    ['HVALS', keys.cursor],
  ]);
  const [history, stream, consumers, health, candidates, producers, deliveries, card, first, leases, shards] =
    rest;
  const lengths: readonly (readonly [key: string, reply: Answered])[] = [
    [keys.ipHistory, history],
    [keys.rounds, stream],
    [keys.cursor, shards],
    [keys.consumers, consumers],
    [keys.health, health],
    [keys.candidates, candidates],
    [keys.producers, producers],
    [keys.deliveries, deliveries],
    [keys.due, card],
  ];
  const wrongTypes = lengths.flatMap(([key, reply]) => (isWrongType(reply) ? [key] : []));
  const readable = (...names: string[]) => !names.some((name) => wrongTypes.includes(name));
  const rounds = readRounds(stream, nowMs);
  const knowing = { ...parts, policy: policyFor(parts, register) };
  const [consumerFacts, waiting] = await Promise.all([
    countConsumers(knowing, {
      entries: countOf(consumers),
      heardOf: candidatesIn(countOf(candidates)),
      readable: readable(keys.consumers, keys.health),
      rounds,
      shards: listOf(shards),
      nowMs,
      depth,
    }),
    countOf(card) > 0 && readable(keys.due, keys.producers, keys.deliveries)
      ? readWaiting(first, { nowMs, register }, knowing)
      : { overdue: 0, first: [] },
  ]);
  const [syncLease, notifyLease] = listOf(leases);
  const heard = rounds.find(({ mirror }) => mirror !== undefined);
  const days = depth === 'verdict' ? new Map() : await readDays(consumerFacts.worst, parts);
  const ownDays = days.get(config.localUuid);
  return {
    nowMs,
    uuid: config.localUuid,
    syncEveryMs: config.sync.intervalMs,
    checkEveryMs: config.ip.intervalMs,
    quorum: config.ip.quorum,
    operators: new Set(config.ip.sources.map(({ operator }) => operator)).size,
    begun: identity === 'ours',
    register,
    poisoned,
    wrongTypes,
    consumers: {
      ...consumerFacts,
      worst: consumerFacts.worst.map((row) => {
        const found = days.get(row.uuid.toLowerCase());
        return found === undefined ? row : { ...row, days: found };
      }),
    },
    rounds,
    syncRuns: typeof syncLease === 'string',
    producers: { known: countOf(producers), due: countOf(card), ...waiting },
    notifyRuns: typeof notifyLease === 'string',
    changes: readChanges(history, currentTelling(register, countOf(producers))),
    ...(heard?.mirror === undefined ? {} : { mirror: mirrorFacts(heard.at, heard.mirror, register.current) }),
    ...(ownDays === undefined ? {} : { days: ownDays }),
  };
}

function mirrorFacts(at: number, { seen, reached, unreached }: Mirror, current: Ip | undefined): MirrorFacts {
  const others = Object.entries(seen)
    .filter(([ip]) => ip !== current)
    .sort(([, a], [, b]) => b - a);
  const [other] = others.map(([ip]) => ip);
  return {
    at,
    here: current === undefined ? 0 : (seen[current] ?? 0),
    elsewhere: others.reduce((sum, [, count]) => sum + count, 0),
    ...(other === undefined ? {} : { other }),
    reached,
    unreached,
  };
}

/** A delivery is looked at by the first check after it is due; after three of them nobody does. */
async function readWaiting(
  first: Answered,
  { nowMs, register }: Pick<Facts, 'nowMs' | 'register'>,
  parts: AppParts,
): Promise<Pick<ProducerFacts, 'overdue' | 'first'>> {
  const { redis, keys, config } = parts;
  const longAgo = nowMs - 3 * config.ip.intervalMs;
  const [rows, [overdue]] = await Promise.all([
    readDue(pairsOf(first), { ...parts, nowMs, epoch: register.epoch }),
    redis.send([['ZCOUNT', keys.due, '-inf', longAgo]], { repeatable: true }),
  ]);
  return { overdue: countOf(overdue), first: rows };
}

/** The kept days of the consumers that are shown, and of this one. A key of another type has none. */
async function readDays(
  rows: readonly ConsumerRow[],
  { redis, keys, config }: AppParts,
): Promise<ReadonlyMap<string, DayHistory>> {
  const uuids = [config.localUuid, ...rows.map(({ uuid }) => uuid.toLowerCase())];
  const [reply] = await redis.send([['HMGET', keys.days, ...uuids]], { repeatable: true });
  const texts = reply instanceof RedisReplyError ? [] : listOf(reply);
  return new Map(
    uuids.flatMap((uuid, i) => {
      const days = decodeDays(texts[i]);
      return days === undefined ? [] : [[uuid, days] as const];
    }),
  );
}
