import type { TestContext } from 'node:test';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { type AppParts, createParts, syncParts } from '../../../lib/app.ts';
import { type Config, loadConfig } from '../../../lib/config.ts';
import type { Failure, Outcome } from '../../../lib/http/outcome.ts';
import type { Source } from '../../../lib/ip/sources.ts';
import type { PeerRequest, PostToPeer } from '../../../lib/peers/post.ts';
import type { Redis } from '../../../lib/redis/redis.ts';
import { type HealthRecord, NO_OUTCOMES } from '../../../lib/store/health-record.ts';
import { createKeys } from '../../../lib/store/keys.ts';
import { runSync } from '../../../lib/sync/round.ts';
import type { ShardEvent } from '../../../lib/sync/shard.ts';
import type { RoundSummary } from '../../../lib/sync/summary.ts';
import { invocation, withTime } from '../../support/clock.ts';
import { type CountingRedis, countingRedis } from '../../support/counting-redis.ts';
import { type LogLine, recordLog } from '../../support/log.ts';
import { startTestRedis, type TestRedis, type TestRedisOptions } from '../../support/redis.ts';
import { type Said, sourceSaying } from '../../support/sources.ts';
import { uuidOf } from '../../support/uuids.ts';
import { ip } from '../../support/votes.ts';

export const LOCAL_UUID = '00000000-0000-4000-8000-000000000001';
export const INTERVAL_MS = 300_000;
export const KEYS = createKeys('{p2p}:');

/** A second call comes 3 to 4 s after the first. */
const SHORT_MS = 5_000;

/** An address of a test that is never really dialled. */
export function fakeAddress(n: number): string {
  return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}:7000`;
}

export interface World {
  readonly test: TestRedis;
  readonly redis: CountingRedis;
  readonly config: Config;
  readonly logs: LogLine[];
  /** Payloads that were invoked asynchronously. */
  readonly invoked: ShardEvent[];
  /** Moves all clocks, Redis's too. */
  advance(ms: number): void;
  /** Moves all clocks but the monotonic one, as when a container is frozen for a while. */
  freeze(ms: number): void;
  setConsumers(consumers: Readonly<Record<string, string>>): Promise<void>;
  consumers(): Promise<Readonly<Record<string, string>>>;
  health(uuid: string): Promise<Record<string, unknown>>;
  hash(key: string): Promise<Readonly<Record<string, string>>>;
  /** Where a part of a round is to go on; undefined if its pass has ended. */
  position(part?: string): Promise<unknown>;
  round(options?: RoundOptions): Promise<RoundSummary>;
}

export interface RoundOptions {
  readonly event?: unknown;
  readonly post?: PostToPeer | undefined;
  readonly sources?: readonly Source[];
  /** The sources over IPv6. None by default. */
  readonly sources6?: readonly Source[];
  readonly spread?: boolean;
  readonly remainingMs?: () => number;
  readonly signal?: AbortSignal;
  readonly redis?: Redis;
  readonly requestId?: string;
  readonly invoke?: (name: string, payload: unknown) => Promise<void>;
  readonly random?: () => number;
  /** The clock stands still, as if the whole round took less than its smallest step. */
  readonly instant?: boolean;
}

/** A Redis, a clock that can be moved, real calls to peers, and everything else that a round is given. */
export async function startWorld(
  t: TestContext,
  env: Readonly<Record<string, string>> = {},
  redisOptions: TestRedisOptions = {},
): Promise<World> {
  const test = await startTestRedis(t, redisOptions);
  const config = loadConfig({
    LOCAL_UUID,
    REDIS_URL: test.url,
    REDIS_TOKEN: test.token,
    PEER_ALLOW_CIDRS: '127.0.0.0/8,10.0.0.0/8',
    SYNC_TIMEOUT_MS: '1000',
    SYNC_FUNCTION: 'sync',
    ...env,
  });
  let offsetMs = 0;
  let frozenMs = 0;
  const redis = countingRedis(withTime(test.redis, (ms) => ms + offsetMs + frozenMs));
  const { log, lines: logs } = recordLog();
  const invoked: ShardEvent[] = [];

  return {
    test,
    redis,
    config,
    logs,
    invoked,
    advance(ms) {
      offsetMs += ms;
    },
    freeze(ms) {
      frozenMs += ms;
    },
    async setConsumers(consumers) {
      const flat = Object.entries(consumers).flat();
      for (let i = 0; i < flat.length; i += 10_000) {
        await test.command('HSET', KEYS.consumers, ...flat.slice(i, i + 10_000));
      }
    },
    consumers: () => test.hash(KEYS.consumers),
    async health(uuid) {
      const json = await test.command('HGET', KEYS.health, uuid);
      return json === null ? {} : JSON.parse(String(json));
    },
    hash: test.hash,
    async position(part = '0/1') {
      const stored = await test.command('HGET', KEYS.cursor, part);
      return stored === null ? undefined : JSON.parse(String(stored)).position;
    },
    async round(options = {}) {
      const beganMs = performance.now();
      const { requestId, signal, remainingMs } = options;
      const made = createParts({
        config,
        log,
        redis: options.redis ?? redis,
        ...(options.post && { post: options.post }),
        invoke:
          options.invoke ??
          (async (_, payload) => {
            invoked.push(payload as ShardEvent);
          }),
        host: {
          monotonicMs: () => (options.instant ? beganMs : performance.now()) + offsetMs,
          wallMs: () => Date.now() + offsetMs + frozenMs,
          random: options.random ?? (() => 0.5),
          // The wait before a second call takes no time; what is longer is real, and ends with the round.
          sleep: async (ms, signal) => {
            const options = signal === undefined ? {} : { signal };
            await (ms < SHORT_MS ? nextTurn(undefined, options) : delay(ms, undefined, options)).catch(
              () => {},
            );
          },
        },
        spread: options.spread ?? false,
      });
      const parts: AppParts = {
        ...made,
        sourcesOf: (family) =>
          family === 4 ? (options.sources ?? [answeringSource()]) : (options.sources6 ?? []),
      };
      const run = invocation({
        ...(requestId !== undefined && { requestId }),
        ...(signal && { signal }),
        ...(remainingMs && { remainingMs }),
      });
      return runSync('event' in options ? options.event : { source: 'schedule' }, run, syncParts(parts));
    },
  };
}

/** An IP source that answers, and one that does not; `asked` counts. */
export function answeringSource(): Source & { asked: number } {
  return countedSource(ip('8.8.8.8'));
}

export function silentSource(): Source & { asked: number } {
  return countedSource('timeout');
}

function countedSource(said: Said): Source & { asked: number } {
  const source = {
    ...sourceSaying('source.test', () => {
      source.asked += 1;
      return said;
    }),
    asked: 0,
  };
  return source;
}

/** Answers calls without a network: `answer` sees the address and how many calls came before. */
export function fakePost(
  answer: (address: string, before: number) => Outcome | Promise<Outcome> = () => reply(),
): PostToPeer & { readonly calls: string[] } {
  const calls: string[] = [];
  return Object.assign(
    async ({ address }: PeerRequest) => {
      calls.push(address.key);
      return answer(address.key, calls.length - 1);
    },
    { calls },
  );
}

export function reply(body: unknown = undefined, status = 200): Outcome {
  const text = body === undefined ? '' : JSON.stringify(body);
  return { kind: 'replied', status, body: Buffer.from(text), rttMs: 1 };
}

export function failure(error: Failure = 'timeout'): Outcome {
  return { kind: 'failed', error, mayHaveArrived: true, rttMs: 1 };
}

/** `count` consumers, each at an address of its own. */
export function manyConsumers(count: number, from = 0): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [uuidOf(from + i), fakeAddress(from + i)] as const),
  );
}

/** What is known about one that is dead, and is left alone for an hour. */
export function deadRecord(address: string): HealthRecord {
  const now = Date.now();
  return {
    state: 'dead',
    address,
    since: now,
    lastFail: now,
    fails: 5,
    counted: 5,
    due: now + 3_600_000,
    recent: NO_OUTCOMES,
  };
}
