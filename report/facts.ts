import type { AppParts } from '../lib/app.ts';
import type { Register } from '../lib/ip/register.ts';
import { CONSUMER_STATES, type ConsumerState } from './peers/consumer-row.ts';
import type { ProducerRow } from './peers/producer-row.ts';
import { readConsumers, readDue } from './peers/read-peers.ts';
import { type Change, readChanges } from './read/changes.ts';
import { type Answered, countOf, fieldsOf, isWrongType } from './read/fields.ts';
import { begin, policyFor } from './read/register.ts';
import { isBudgeted, type Round, readRounds } from './read/rounds.ts';
import { CHEAP_MEMBERS } from './read/scan.ts';
import { isStale } from './read/stale.ts';

/** What Redis says about this consumer at one moment. All times are Redis's. */
export interface Facts {
  readonly nowMs: number;
  readonly syncEveryMs: number;
  readonly checkEveryMs: number;
  /** Whether anything of ours has ever run on this Redis. */
  readonly begun: boolean;
  readonly register: Register;
  /** Fields of the register that cannot be used. */
  readonly poisoned: readonly string[];
  /** Keys that hold another type than ours. */
  readonly wrongTypes: readonly string[];
  readonly consumers: {
    readonly known: number;
    readonly heardOf: number;
    /** Absent where there are too many to read and no complete round is recent enough to tell. */
    readonly states?: Readonly<Record<ConsumerState, number>>;
    /** When the round was, if the states are from one; otherwise every record was read. */
    readonly countedAt?: number;
    /** Whether that round came across a part of them only. */
    readonly partial?: boolean;
  };
  /** The newest first. */
  readonly rounds: readonly Round[];
  readonly syncRuns: boolean;
  readonly producers: {
    readonly known: number;
    /** Deliveries that have not come to an end. */
    readonly due: number;
    /** Of these, due for so long that nobody delivers. */
    readonly overdue: number;
    /** Those that are due first. */
    readonly first: readonly ProducerRow[];
  };
  readonly notifyRuns: boolean;
  /** The newest first. */
  readonly changes: readonly Change[];
}

/** Producers that are shown. The first of the due set are those that have waited longest. */
const SHOWN_PRODUCERS = 10;
/** Two entries a change, and a few that repeat one. */
const HISTORY_ENTRIES = 10;
const ROUNDS = 3;

/**
 * Reads it in one trip of 14 commands, three more commands where deliveries are due, and two for each 1,000 consumers.
 * Above 10,000 consumers the last complete round says how they are, or one that made all the calls it may, unless `all`
 * is set.
 *
 * @throws IdentityError, RedisUnavailableError, RedisReplyError; a key of another type is a fact, not an error.
 */
export async function readFacts(parts: AppParts, { all }: { all: boolean }): Promise<Facts> {
  const { keys, config } = parts;
  const { nowMs, identity, register, poisoned, rest } = await begin(parts, [
    ['XREVRANGE', keys.ipHistory, '+', '-', 'COUNT', HISTORY_ENTRIES],
    ['XREVRANGE', keys.rounds, '+', '-', 'COUNT', ROUNDS * config.sync.maxShards],
    ['HLEN', keys.consumers],
    ['HLEN', keys.candidates],
    ['HLEN', keys.producers],
    ['ZCARD', keys.due],
    ['ZRANGE', keys.due, 0, SHOWN_PRODUCERS - 1, 'WITHSCORES'],
    ['PTTL', keys.lease('sync:0')],
    ['PTTL', keys.lease('notify')],
    ['TYPE', keys.health],
    ['TYPE', keys.deliveries],
  ]);
  const [history, stream, consumers, candidates, producers, card, first, syncLease, notifyLease, ...types] =
    rest;
  const wrongTypes = wrongKeys([
    [keys.ipHistory, history],
    [keys.rounds, stream],
    [keys.consumers, consumers],
    [keys.candidates, candidates],
    [keys.producers, producers],
    [keys.due, card],
  ]);
  for (const [i, key] of [keys.health, keys.deliveries].entries()) {
    if (types[i] !== 'none' && types[i] !== 'hash') wrongTypes.push(key);
  }
  const rounds = readRounds(stream);
  const knowing = { ...parts, policy: policyFor(parts, register) };
  const known = countOf(consumers);
  const readable = (...names: string[]) => !names.some((name) => wrongTypes.includes(name));
  return {
    nowMs,
    syncEveryMs: config.sync.intervalMs,
    checkEveryMs: config.ip.intervalMs,
    begun: identity === 'ours',
    register,
    poisoned,
    wrongTypes,
    consumers: {
      known,
      heardOf: countOf(candidates),
      ...(readable(keys.consumers, keys.health)
        ? await countConsumers({ known, all, rounds, nowMs }, knowing)
        : {}),
    },
    rounds: rounds.slice(0, ROUNDS),
    syncRuns: countOf(syncLease) > 0,
    producers: {
      known: countOf(producers),
      due: countOf(card),
      ...(countOf(card) > 0 && readable(keys.due, keys.producers, keys.deliveries)
        ? await readWaiting(first, { nowMs, register }, knowing)
        : { overdue: 0, first: [] }),
    },
    notifyRuns: countOf(notifyLease) > 0,
    changes: readChanges(history),
  };
}

function wrongKeys(replies: readonly (readonly [key: string, reply: Answered])[]): string[] {
  return replies.flatMap(([key, reply]) => (isWrongType(reply) ? [key] : []));
}

async function countConsumers(
  { known, all, rounds, nowMs }: { known: number; all: boolean; rounds: readonly Round[]; nowMs: number },
  parts: AppParts,
): Promise<Pick<Facts['consumers'], 'states' | 'countedAt' | 'partial'>> {
  const states = Object.fromEntries(CONSUMER_STATES.map((state) => [state, 0])) as Record<
    ConsumerState,
    number
  >;
  if (known > CHEAP_MEMBERS && !all) {
    const recent = rounds.filter(({ at }) => !isStale(at, parts.config.sync.intervalMs, nowMs));
    const whole = recent.find(({ complete, inconclusive, resumed }) => complete && !inconclusive && !resumed);
    const round = whole ?? recent.find(isBudgeted);
    if (round === undefined) return {};
    return { states: { ...states, ...round.states }, countedAt: round.at, partial: whole === undefined };
  }
  for await (const page of readConsumers({ ...parts, nowMs })) {
    for (const { state } of page) states[state] += 1;
  }
  return { states };
}

/** A delivery is looked at by the first check after it is due; after three of them nobody does. */
async function readWaiting(
  first: Answered,
  { nowMs, register }: Pick<Facts, 'nowMs' | 'register'>,
  parts: AppParts,
): Promise<Pick<Facts['producers'], 'overdue' | 'first'>> {
  const { redis, keys, config } = parts;
  const longAgo = nowMs - 3 * config.ip.intervalMs;
  const [rows, [overdue]] = await Promise.all([
    readDue([...fieldsOf(first)], { ...parts, nowMs, epoch: register.epoch }),
    redis.send([['ZCOUNT', keys.due, '-inf', longAgo]], { repeatable: true }),
  ]);
  return { overdue: countOf(overdue), first: rows };
}
