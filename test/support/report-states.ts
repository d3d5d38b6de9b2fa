import { type AppParts, createParts } from '../../lib/app.ts';
import { loadConfig } from '../../lib/config.ts';
import type { Command, Redis } from '../../lib/redis/redis.ts';
import { type HealthState, pushOutcome, type RecentOutcome } from '../../lib/store/health-record.ts';
import { createKeys } from '../../lib/store/keys.ts';
import { encodePartState, MOST_WORST, NO_STATE, type WorstConsumer } from '../../lib/store/part-state.ts';
import type { Round } from '../../report/read/rounds.ts';
import { DAY, HOUR, MINUTE, SECOND } from './clock.ts';
import { silentLog } from './log.ts';
import type { Fields } from './redis.ts';
import { uuidOf } from './uuids.ts';

/** What a Redis can be like when somebody looks: the states that the page and the command are tested and drawn in. */
export const REPORT_STATES = ['well', 'untold', 'network-out', 'many', 'hostile', 'empty', 'stale'] as const;
export type ReportState = (typeof REPORT_STATES)[number];

export const OWN_UUID = '5e1f0000-0000-4000-8000-000000000001';
const KEYS = createKeys('{p2p}:');
/** What strangers may have written wherever they can. */
export const HOSTILE = '<script>alert(1)</script>"\'><img src=x onerror=alert(2)>\u202e\u0007';

/** The parts of a scheduler whose Redis `redis` is, with the addresses of the documentation as public ones. */
export function reportParts(redis: Redis, env: Readonly<Record<string, string>> = {}): AppParts {
  return createParts({
    config: loadConfig({
      LOCAL_UUID: OWN_UUID,
      REDIS_URL: 'redis://127.0.0.1:1',
      PEER_ALLOW_CIDRS: '198.51.100.0/24,203.0.113.0/24,10.0.0.0/8',
      IP_ALLOW_CIDRS: '203.0.113.0/24',
      ...env,
    }),
    log: silentLog,
    invoke: async () => undefined,
    redis,
  });
}

/** What `rounds` holds of a round that was not split. */
export function roundEntry(at: number, summary: object): Fields {
  return { round: `r${at}`, shard: 0, of: 1, at, summary: JSON.stringify(summary) };
}

/** A complete round without an incident, as a report reads it, but for what `change` says. */
export function roundRead(change: Partial<Round>): Round {
  return {
    at: 1,
    shards: 1,
    of: 1,
    complete: true,
    inconclusive: false,
    resumed: false,
    stopped: [],
    probes: 3,
    states: { new: 0, alive: 2, suspect: 0, dead: 1 },
    errors: {},
    skipped: {},
    promoted: 0,
    moved: 0,
    learned: 0,
    shardsLost: 0,
    durationMs: 1_000,
    ...change,
  };
}

/** Fills an empty Redis so that it is in the state at `nowMs`. `consumers` is how many there are in `many`. */
export async function seedState(
  redis: Redis,
  state: ReportState,
  { nowMs = Date.now(), consumers = 5_000 }: { nowMs?: number; consumers?: number } = {},
): Promise<void> {
  const commands = commandsFor(state, nowMs, consumers);
  for (let i = 0; i < commands.length; i += 1_000) {
    const replies = await redis.send(commands.slice(i, i + 1_000), { repeatable: true });
    const failed = replies.find((reply) => reply instanceof Error);
    if (failed !== undefined) throw failed;
  }
}

function commandsFor(state: ReportState, nowMs: number, consumers: number): Command[] {
  switch (state) {
    case 'empty':
      return [];
    case 'well':
      return world(nowMs, {});
    case 'untold':
      return world(nowMs, { untold: true, changedAgo: 26 * MINUTE });
    case 'network-out':
      return world(nowMs, { networkOut: true });
    case 'many':
      return world(nowMs, { consumers });
    case 'stale':
      return world(nowMs - 3 * HOUR, {});
    case 'hostile':
      return [...world(nowMs, { untold: true, changedAgo: 26 * MINUTE }), ...poison(nowMs)];
  }
}

interface World {
  readonly untold?: boolean;
  readonly networkOut?: boolean;
  readonly changedAgo?: number;
  readonly consumers?: number;
}

function world(now: number, { untold, networkOut, changedAgo = 9 * DAY, consumers = 9 }: World): Command[] {
  const changed = now - changedAgo;
  const before = changed - 12 * DAY;
  const hash = (key: string, fields: Readonly<Record<string, string | number>>): Command => [
    'HSET',
    key,
    ...Object.entries(fields).flat(),
  ];
  const producers = [1, 2, 3, 4].map((n) => uuidOf(0xb000 + n));
  const told = untold ? 3 : 4;
  const delivery = (index: number) =>
    untold && index === 3
      ? {
          ackedEpoch: before,
          ackedAt: before + 2_400,
          leaseEpoch: changed,
          attempts: 6,
          firstAt: changed,
          lastStatus: '503',
        }
      : { ackedEpoch: changed, ackedAt: changed + 64 + 400 * index, leaseEpoch: changed, lastStatus: '200' };
  const telling = { told, firstAck: changed + 64, lastAck: changed + 64 + 400 * (told - 1) };
  const change = (from: string, to: string, at: number, more: Record<string, string | number>): Command => [
    'XADD',
    KEYS.ipHistory,
    '*',
    ...Object.entries({
      from,
      to,
      epoch: at,
      at,
      source: 'sources',
      verifiedAt: at - 41 * SECOND,
      ...more,
    }).flat(),
  ];
  return [
    ['SET', KEYS.uuid, OWN_UUID],
    hash(KEYS.ip, {
      current: '203.0.113.77',
      previous: '203.0.113.10',
      epoch: changed,
      since: changed,
      checkedAt: now - 41 * SECOND,
      verifiedAt: networkOut ? now - 14 * MINUTE : now - 41 * SECOND,
      unknownChecks: networkOut ? 13 : 0,
      answering: networkOut ? 0 : 5,
      ...telling,
    }),
    hash(
      KEYS.producers,
      Object.fromEntries(producers.map((uuid, i) => [uuid, `198.51.100.${200 + i}:8080`])),
    ),
    hash(
      KEYS.deliveries,
      Object.fromEntries(producers.map((uuid, i) => [uuid, JSON.stringify(delivery(i))])),
    ),
    ...(untold ? [['ZADD', KEYS.due, now + 4 * MINUTE, producers[3] ?? ''] as const] : []),
    change('203.0.113.4', '203.0.113.10', before, {}),
    change('203.0.113.10', '203.0.113.77', changed, {
      told: 4,
      of: 4,
      firstAck: before + 51,
      lastAck: before + 2_400,
    }),
    ...rounds(now, { networkOut: networkOut ?? false, consumers }),
    ...people(now, consumers),
    hash(KEYS.days, {
      [OWN_UUID]: `${Math.floor(now / DAY) - 1}:${'1'.repeat(60)}2${'1'.repeat(19)}3${'1'.repeat(8)}`,
    }),
  ];
}

function rounds(
  now: number,
  { networkOut, consumers }: { networkOut: boolean; consumers: number },
): Command[] {
  const kinds = Array.from({ length: consumers }, (_, i) => stateOf(i));
  const count = (state: HealthState) => kinds.filter((each) => each === state).length;
  const states = {
    new: count('new'),
    alive: count('alive'),
    suspect: count('suspect'),
    dead: count('dead'),
  };
  return Array.from({ length: 60 }, (_, i) => {
    const at = now - 2 * MINUTE - (59 - i) * 5 * MINUTE;
    const out = networkOut && i > 56;
    const failed = i % 7 === 0 ? Math.ceil(consumers / 9) : 1;
    const summary = {
      complete: !out,
      inconclusive: out,
      ...(out ? { stopped: 'outage' } : {}),
      probes: consumers - 1 + (i % 3),
      states,
      skipped: { self: 1, 'not-public': 1 },
      errors: out ? { timeout: consumers } : { timeout: failed },
      durationMs: 400 + ((i * 37) % 11) * 90,
      ...(out ? {} : { mirror: { seen: { '203.0.113.77': 6 }, reached: 5, unreached: 1 } }),
    };
    return ['XADD', KEYS.rounds, '*', ...Object.entries(roundEntry(at, summary)).flat()];
  });
}

function people(now: number, count: number): Command[] {
  const entries = Array.from({ length: count }, (_, i) => ({ uuid: uuidOf(i + 1), ...person(i, now) }));
  const addresses = entries.map(({ uuid, address }) => [uuid, address] as const);
  const records = entries.flatMap(({ uuid, health }) =>
    health === undefined ? [] : [[uuid, JSON.stringify(health)] as const],
  );
  const days = entries
    .slice(0, 9)
    .map(
      ({ uuid }, i) =>
        [uuid, `${Math.floor(now / DAY) - 1}:${'1'.repeat(70 + i)}${i % 3 === 0 ? '3' : '2'}11111`] as const,
    );
  return [
    ...inPieces(KEYS.consumers, [...addresses, [uuidOf(0xdead), '192.168.1.20'], [OWN_UUID, '203.0.113.77']]),
    ...inPieces(KEYS.health, records),
    ...inPieces(KEYS.days, days),
    [
      'HSET',
      KEYS.cursor,
      '0/1',
      encodePartState({ ...NO_STATE, worst: worstOf(entries, now) }),
      'probed',
      now,
    ],
    ['HSET', KEYS.candidates, 'x', '{}'],
  ];
}

function worstOf(entries: readonly { readonly uuid: string }[], now: number): WorstConsumer[] {
  const dead = entries.filter((_, i) => stateOf(i) === 'dead');
  return dead.slice(0, MOST_WORST).map(({ uuid }, i) => [uuid, 4e9 - i, now] as const);
}

/** One of every nine is dead, one suspect, one new; the others are alive, some with failures behind them. */
function stateOf(i: number): HealthState {
  return (['alive', 'dead', 'suspect', 'new'] as const)[i % 9] ?? 'alive';
}

function inPieces(key: string, pairs: readonly (readonly [string, string])[]): Command[] {
  return Array.from({ length: Math.ceil(pairs.length / 500) }, (_, i) => [
    'HSET',
    key,
    ...pairs.slice(i * 500, (i + 1) * 500).flat(),
  ]);
}

function person(i: number, now: number): { address: string; health?: object } {
  const address = i < 250 ? `198.51.100.${i + 1}` : `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
  const seen = now - 2 * MINUTE;
  const base = { address, recent: outcomes(i) };
  switch (stateOf(i)) {
    case 'dead':
      return {
        address,
        health: {
          ...base,
          state: 'dead',
          since: now - 3 * DAY,
          lastOk: now - 3 * DAY,
          lastError: 'timeout',
          lastFail: now - 22 * MINUTE,
          fails: 40,
          counted: 40,
          due: now + 34 * MINUTE,
        },
      };
    case 'suspect':
      return {
        address,
        health: {
          ...base,
          state: 'suspect',
          since: seen,
          lastOk: now - 7 * MINUTE,
          lastError: 'refused',
          lastFail: seen,
          fails: 1,
          counted: 1,
          rtt: 120,
        },
      };
    case 'new':
      return { address };
    case 'alive':
      return {
        address,
        health: {
          ...base,
          state: 'alive',
          since: now - (1 + (i % 20)) * DAY,
          lastOk: seen,
          rtt: 18 + ((i * 31) % 140),
          ...(i % 2 === 0 ? { lastError: 'reset', lastFail: now - 4 * HOUR } : {}),
        },
      };
  }
}

function outcomes(i: number): string {
  const kinds: RecentOutcome[] = Array.from({ length: 60 }, (_, n) => {
    if (i % 9 === 1) return n > 20 ? 'failed' : 'alive';
    if (i % 9 === 2) return n > 57 ? 'failed' : 'alive';
    if (i % 5 === 0 && n % 11 === 0) return 'busy';
    return i % 2 === 0 && n === 12 ? 'failed' : 'alive';
  });
  return kinds.reduce((recent, kind) => pushOutcome(recent, kind), '');
}

/** Strangers' words in every place of Redis that can hold them. */
function poison(now: number): Command[] {
  const summary = JSON.stringify({
    complete: true,
    probes: 3,
    errors: { [HOSTILE]: 2 },
    states: { alive: 1 },
  });
  return [
    ['HSET', KEYS.consumers, HOSTILE, HOSTILE, uuidOf(0xe1), HOSTILE, uuidOf(0xe2), '198.51.100.9'],
    [
      'HSET',
      KEYS.health,
      uuidOf(0xe2),
      JSON.stringify({ state: 'dead', address: '198.51.100.9:80', lastError: HOSTILE }),
    ],
    ['HSET', KEYS.producers, HOSTILE, HOSTILE, uuidOf(0xe3), HOSTILE],
    ['HSET', KEYS.deliveries, HOSTILE, JSON.stringify({ lastStatus: HOSTILE, attempts: 2 })],
    [
      'HSET',
      KEYS.deliveries,
      uuidOf(0xb004),
      JSON.stringify({ lastStatus: HOSTILE, attempts: 2, leaseEpoch: now - 26 * MINUTE }),
    ],
    ['ZADD', KEYS.due, now - SECOND, HOSTILE, now - SECOND, uuidOf(0xe3)],
    ['HSET', KEYS.ip, 'candidate', HOSTILE, 'previous', HOSTILE, HOSTILE, HOSTILE],
    ['XADD', KEYS.rounds, '*', 'round', HOSTILE, 'shard', 0, 'of', 1, 'at', now, 'summary', summary],
    ['XADD', KEYS.ipHistory, '*', 'from', HOSTILE, 'to', HOSTILE, 'epoch', now, 'at', now, 'source', HOSTILE],
    [
      'XADD',
      KEYS.ipHistory,
      '*',
      'from',
      '203.0.113.1',
      'to',
      '203.0.113.2',
      'epoch',
      now,
      'at',
      now,
      'votes',
      JSON.stringify({ [HOSTILE]: HOSTILE }),
    ],
    ['HSET', KEYS.days, uuidOf(1), HOSTILE],
  ];
}
