import { createParts, syncParts } from '../../lib/app.ts';
import { loadConfig } from '../../lib/config.ts';
import { RedisUnavailableError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Outcome } from '../../lib/http/outcome.ts';
import { createAddressPolicy } from '../../lib/peers/address.ts';
import type { PeerRequest } from '../../lib/peers/post.ts';
import type { Redis, Reply } from '../../lib/redis/redis.ts';
import { decodeHealth, encodeHealth, type HealthRecord, NO_OUTCOMES } from '../../lib/store/health-record.ts';
import { createKeys } from '../../lib/store/keys.ts';
import type { RoundStore } from '../../lib/store/rounds.ts';
import { runSync } from '../../lib/sync/round.ts';
import type { ShardEvent } from '../../lib/sync/shard.ts';
import type { RoundSummary } from '../../lib/sync/summary.ts';
import type { Random } from '../chaos/random.ts';
import { invocation, withTime } from '../support/clock.ts';
import { silentLog } from '../support/log.ts';
import { uuidOf } from '../support/uuids.ts';
import { createTurns } from './turns.ts';

/** A mistake of the store that a course has to show: it stands between a round and its real store. */
export type Spoil = (store: RoundStore) => RoundStore;

const LOCAL_UUID = '00000000-0000-4000-8000-000000000001';
const KEYS = createKeys('{p2p}:');
const INTERVAL_MS = 300_000;
const CONSUMERS = 30;
/** Calls that a round which is cut has the time for. */
const CALLS = 8;
/** Another round, or a shard, may have read the clock that much earlier. */
const SLACK_MS = 120_000;

/** What one consumer does when it is called. */
type Habit = 'answers' | 'names' | 'silent' | 'no-route';

/**
 * One course: random things happen to consumers, rounds, clocks and replies, over the real round and the real scripts.
 * Answers the first promise that was broken, or undefined.
 */
export async function runCourse(
  {
    redis,
    command,
  }: { redis: Redis; command: (name: string, ...args: (string | number)[]) => Promise<Reply> },
  random: Random,
  { steps, spoil = (store) => store }: { steps: number; spoil?: Spoil },
): Promise<string | undefined> {
  await command('FLUSHALL');
  let monotonicMs = 1_000;
  let clockMs = 1_764_000_000_000;
  let frozenMs = 0;
  const habits = new Map<string, Habit>();
  const answered = new Map<string, Set<string>>();
  const calledAt = new Map<string, number>();
  const entries = new Map<string, string>();
  const turns = createTurns();
  /** Who answers where `consumers` does not say: newcomers, and those that have moved. */
  const strangers = new Map<string, string>();
  const noRoute6 = random.chance(0.5);
  const alwaysCut = random.chance(0.5);
  /** In half of the courses many have long been dead, and call us in each round. */
  const theDeadCall = random.chance(0.5);
  let next = 0;
  let fault: 'none' | 'before' | 'after' = 'none';
  let requestsUntilFault = 0;

  const freshAddress = (habit?: Habit) => {
    next += 1;
    const six = random.chance(0.4);
    const address = six ? `2600:${next.toString(16)}::1` : `9.${next >> 8}.${next & 255}.1`;
    const drawn =
      habit ??
      random.weighted([
        [5, 'answers'],
        [4, 'names'],
        [theDeadCall ? 10 : 1, 'silent'],
        [1, 'no-route'],
      ] as const);
    habits.set(keyOf(address), six && noRoute6 ? 'no-route' : drawn);
    return address;
  };
  const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
  const keyOf = (address: string): string => {
    const parsed = policy.parse(address);
    return 'address' in parsed ? parsed.address.key : address;
  };
  const put = async (field: string, address: string) => {
    entries.set(field, address);
    turns.begin(field, keyOf(address));
    await command('HSET', KEYS.consumers, field, address);
  };
  const add = async () => put(random.chance(0.1) ? uuidOf(next).toUpperCase() : uuidOf(next), freshAddress());
  const remove = async (field: string) => {
    entries.delete(field);
    turns.end(field);
    turns.end(homeOf(field));
    await command('HDEL', KEYS.consumers, field);
  };
  const homeOf = (field: string) => `the home of ${field}`;
  const someone = (): string | undefined => {
    const fields = [...entries.keys()];
    return fields[random.between(0, fields.length - 1)];
  };

  /** Redis by a clock that steps, over a connection that fails. */
  const faulty: Redis = {
    async send(requests, options) {
      const fails = fault !== 'none' && requestsUntilFault-- <= 0;
      if (fails && fault === 'before') throw new RedisUnavailableError('gone', { mayHaveRun: false });
      const replies = await redis.send(requests, options);
      if (fails) throw new RedisUnavailableError('gone', { mayHaveRun: true });
      return replies;
    },
    close: async () => {},
  };
  const clocked = withTime(faulty, () => clockMs);
  const host: Host = {
    monotonicMs: () => monotonicMs,
    wallMs: () => monotonicMs + frozenMs,
    random: random.fork('round').next,
    sleep: (ms, signal) =>
      ms > 5_000
        ? new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
        : new Promise((resolve) => setImmediate(resolve)),
  };
  const post = async ({ address }: PeerRequest): Promise<Outcome> => {
    calledAt.set(address.key, clockMs);
    turns.called(address.key);
    monotonicMs += 1;
    clockMs += 1;
    const habit = habits.get(address.key) ?? 'silent';
    if (habit === 'silent') return { kind: 'failed', error: 'timeout', mayHaveArrived: true, rttMs: 1 };
    if (habit === 'no-route')
      return { kind: 'failed', error: 'unreachable', mayHaveArrived: false, rttMs: 1 };
    const stranger = strangers.get(address.key);
    const known = [...entries].find(([, at]) => keyOf(at) === address.key)?.[0].toLowerCase();
    // Now and then the API writes an entry while its candidate is being called.
    if (stranger !== undefined && known === undefined && random.chance(0.4)) {
      const field = [...entries.keys()].find((each) => each.toLowerCase() === stranger) ?? stranger;
      await put(field, freshAddress());
    }
    const owner = known ?? stranger;
    const teach = [...strangers].map(([key, uuid]) => ({
      uuid,
      ip: key.replace(/:80$/, '').replace(/^\[|\]$/g, ''),
    }));
    // Not always the last ones: those who moved long ago are held dead by now, and only then looked for.
    const from = random.between(0, Math.max(0, teach.length - 5));
    const body = habit === 'names' ? { uuid: owner, consumers: teach.slice(from, from + 5) } : undefined;
    const named = answered.get(address.key) ?? new Set();
    answered.set(address.key, named.add(habit === 'names' ? (owner ?? '') : 'somebody'));
    return {
      kind: 'replied',
      status: 200,
      body: Buffer.from(body === undefined ? '' : JSON.stringify(body)),
      rttMs: 1,
    };
  };

  const round = async ({ cut, split, event }: { cut: boolean; split: boolean; event?: ShardEvent }) => {
    const config = loadConfig({
      LOCAL_UUID,
      REDIS_URL: 'redis://model.invalid',
      SYNC_CONCURRENCY: '2',
      SYNC_FUNCTION: 'sync',
      ...(split ? { SYNC_SHARD_ABOVE: '10', SYNC_MAX_SHARDS: '3' } : {}),
    });
    if (theDeadCall && event === undefined) await command('SADD', KEYS.called, ...entries.keys());
    const invoked: ShardEvent[] = [];
    let calls = 0;
    const run = invocation({
      requestId: `round-${random.between(1, 1e9)}`,
      remainingMs: () => (cut && calls >= CALLS ? 0 : 240_000),
    });
    const { openRoundStore, ...parts } = syncParts(
      createParts({
        config,
        redis: clocked,
        post: (request) => {
          calls += 1;
          return post(request);
        },
        sources: [],
        invoke: async (_, payload) => void invoked.push(payload as ShardEvent),
        host,
        log: silentLog,
      }),
    );
    const summary = await runSync(event ?? {}, run, {
      ...parts,
      openRoundStore: (opening) => spoil(openRoundStore(opening)),
    });
    return { summary, invoked };
  };
  /** A round of which something may be lost. Undefined if it failed. */
  const tryRound = async (options: { cut: boolean; split: boolean; event?: ShardEvent }) => {
    try {
      return await round(options);
    } catch (error) {
      if (error instanceof RedisUnavailableError) return undefined;
      throw error;
    }
  };
  const whole = async (cut: boolean, split: boolean): Promise<RoundSummary | undefined> => {
    const first = await tryRound({ cut, split });
    for (const event of first?.invoked ?? []) {
      const fate = random.weighted([
        [8, 'once'],
        [1, 'twice'],
        [1, 'lost'],
      ]);
      if (fate === 'lost') return undefined;
      for (let i = 0; i < (fate === 'twice' ? 2 : 1); i++) await tryRound({ cut, split, event });
    }
    return first?.summary;
  };

  /** What Redis holds now, in one request: most of the time of a course goes into requests. */
  const stored = async () => {
    const lists = await redis.send(
      [
        ['HGETALL', KEYS.consumers],
        ['HGETALL', KEYS.health],
        ['HKEYS', KEYS.cursor],
      ],
      { repeatable: true },
    );
    const [flat = [], health = [], cursor = []] = lists.map((list) =>
      Array.isArray(list) ? list.map(String) : [],
    );
    return { flat, health, cursor };
  };
  /** The first promise that does not hold now. */
  const broken = (
    { flat, health, cursor }: Awaited<ReturnType<typeof stored>>,
    cleaned: boolean,
  ): string | undefined => {
    for (let i = 0; i < flat.length; i += 2) {
      const [field = '', address = ''] = [flat[i], flat[i + 1]];
      const before = entries.get(field);
      if (before === address) continue;
      if (!answered.get(keyOf(address))?.has(field.toLowerCase()))
        return `${field} was ${before === undefined ? 'added' : 'moved'} without a word of its own at ${address}`;
      if (before !== undefined && calledAt.get(keyOf(before)) === undefined)
        return `${field} was moved away from ${before}, where nobody ever called it`;
      entries.set(field, address);
      turns.begin(field, keyOf(address));
    }
    if (flat.length / 2 !== entries.size) return 'an entry of the API is gone';
    for (let i = 0; i < health.length; i += 2) {
      const [field = '', json = ''] = [health[i], health[i + 1]];
      const record = decodeHealth(json, clockMs);
      if (record === undefined) continue;
      const key = keyOf(record.address);
      if (!calledAt.has(key)) return `health speaks of ${record.address}, which was never called`;
      if (record.state === 'alive' && !answered.has(key))
        return `${record.address} is alive and never answered`;
      const habit = habits.get(key);
      if (record.state === 'dead' && habit !== 'silent' && habit !== 'no-route' && habit !== undefined) {
        const shared = [...entries.values()].filter((at) => keyOf(at) === key).length > 1;
        if (!shared && entries.get(field) === record.address && habit === 'answers' && record.named !== true)
          return `${field} answers at ${record.address} and is dead`;
      }
    }
    if (cursor.length > 5) return `sync:cursor has grown to ${cursor.length} fields`;
    const stale = health.filter((field, i) => i % 2 === 0 && !entries.has(field));
    if (cleaned && stale.length > 0) return `health of ${stale[0]} stays, which consumers does not hold`;
    const late = turns.longest();
    if (late !== undefined && late.rounds > turns.bound(CALLS)) {
      return `${late.field} was not called for ${late.rounds} rounds`;
    }
    return undefined;
  };

  for (let i = 0; i < CONSUMERS; i++) await add();
  for (const [field, address] of theDeadCall ? entries : []) {
    if (habits.get(keyOf(address)) !== 'silent') continue;
    calledAt.set(keyOf(address), clockMs);
    await command('HSET', KEYS.health, field, encodeHealth(dead(address, clockMs)));
  }
  let splitNow = false;
  for (let step = 0; step < steps; step++) {
    fault = 'none';
    const what = random.weighted([
      [30, 'cut round'],
      [8, 'round'],
      [6, 'churn'],
      [6, 'move'],
      [4, 'newcomer'],
      [4, 'rumour'],
      [4, 'lost'],
      [2, 'rewrite'],
      [3, 'broken round'],
      [4, 'overlap'],
      [0.4, 'clock'],
      [0.4, 'loss'],
      [1, 'freeze'],
      [0.4, 'split'],
    ]);
    const field = someone();
    let cleaned = false;
    switch (what) {
      case 'cut round':
      case 'round': {
        const summary = await whole(alwaysCut || what === 'cut round', splitNow);
        cleaned = summary !== undefined && summary.stopped !== 'held';
        const counts = summary !== undefined && summary.stopped !== 'held' && summary.of === 1;
        if (counts && (summary.complete || summary.probes + summary.candidateProbes >= CALLS - 2))
          turns.roundEnds();
        break;
      }
      case 'churn':
        if (field !== undefined) await remove(field);
        await add();
        break;
      case 'newcomer':
        strangers.set(keyOf(freshAddress('names')), uuidOf(next + 1_000));
        break;
      case 'rumour':
        // Others name somebody who never answers.
        strangers.set(keyOf(freshAddress('silent')), uuidOf(next + 1_000));
        break;
      case 'lost':
        // It has moved, and only others know where it is now.
        if (field !== undefined) {
          habits.set(keyOf(entries.get(field) ?? ''), 'silent');
          strangers.set(keyOf(freshAddress('names')), field.toLowerCase());
        }
        break;
      case 'move':
        if (field !== undefined) await put(field, freshAddress());
        break;
      case 'rewrite':
        if (field !== undefined) await put(field, entries.get(field) ?? '');
        break;
      case 'broken round':
        fault = random.pick(['before', 'after']);
        requestsUntilFault = random.between(0, 4);
        await tryRound({ cut: true, split: splitNow });
        fault = 'none';
        break;
      case 'overlap':
        await Promise.all([tryRound({ cut: true, split: false }), tryRound({ cut: true, split: false })]);
        break;
      case 'clock':
        clockMs += random.pick([-1, 1]) * random.between(1, 7_200_000);
        turns.excuseAll();
        break;
      case 'loss':
        await command('DEL', random.pick([KEYS.health, KEYS.cursor]));
        turns.excuseAll();
        break;
      case 'freeze':
        frozenMs += 60_000;
        break;
      case 'split':
        splitNow = !splitNow;
        turns.excuseAll();
        break;
    }
    // A lease that nobody gave back has expired by the next round.
    clockMs += INTERVAL_MS;
    monotonicMs += INTERVAL_MS;
    await command('DEL', ...[0, 1, 2].map((shard) => KEYS.lease(`sync:${shard}`)));
    const now = await stored();
    const healths = new Map(
      now.health.flatMap((field, i) => (i % 2 === 0 ? [[field, now.health[i + 1]]] : [])),
    );
    for (const [field, address] of entries) {
      const record = decodeHealth(healths.get(field), clockMs);
      if ((record?.due ?? 0) > clockMs - SLACK_MS) turns.excuse(field);
      if (record?.home === undefined || record.address !== address) turns.end(homeOf(field));
      else turns.keep(homeOf(field), keyOf(record.home));
      if ((record?.homeDue ?? 0) > clockMs - SLACK_MS) turns.excuse(homeOf(field));
    }
    const wrong = broken(now, cleaned);
    if (wrong !== undefined) return `step ${step}, after ${what}: ${wrong}`;
  }
  return undefined;
}

function dead(address: string, nowMs: number): HealthRecord {
  const since = nowMs - INTERVAL_MS;
  return { state: 'dead', address, since, lastFail: since, fails: 9, counted: 9, recent: NO_OUTCOMES };
}
