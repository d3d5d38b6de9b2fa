import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { type AppParts, createParts } from '../../../lib/app.ts';
import { loadConfig } from '../../../lib/config.ts';
import { runIpCheck } from '../../../lib/ip/check.ts';
import type { Source } from '../../../lib/ip/sources.ts';
import type { IpCheckSummary } from '../../../lib/ip/summary.ts';
import type { Ip } from '../../../lib/peers/ip-space.ts';
import type { Command, Redis, Reply, ScriptCall } from '../../../lib/redis/redis.ts';
import { openClock } from '../../../lib/store/identity.ts';
import { createKeys, type Keys } from '../../../lib/store/keys.ts';
import { commitOperatorsWord, type OperatorsWord } from '../../../lib/store/operators-word.ts';
import { beginCheck, type Check } from '../../../lib/store/register.ts';
import { invocation, MINUTE, withTime } from '../../support/clock.ts';
import { recordLog } from '../../support/log.ts';
import { pairs, startTestRedis, type TestRedis, type TestRedisOptions } from '../../support/redis.ts';
import { sourceSaying } from '../../support/sources.ts';
import { type Mistake, withMistakes } from '../../support/tampered-redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import { OLD } from '../../support/votes.ts';

export const LOCAL_UUID = '6f1c1a6e-0f52-4b53-9f60-3f2b8c0f9a01';
export const START = 1_764_000_000_000;

export type Answer = Ip | '?';

/** What a check's requests to Redis may meet. `trip` counts from 1. */
export interface Tampering {
  /** Runs before the request leaves. */
  before?(trip: number): Promise<void> | void;
  /** Sees the request, and may change it. */
  request?(trip: number, requests: readonly (Command | ScriptCall)[]): readonly (Command | ScriptCall)[];
  /** The trip that is sent twice, and whose first answer is lost. */
  repeated?: number;
  /** Runs after Redis has answered; what it throws is what the check gets instead of the answer. */
  after?(trip: number): Promise<void> | void;
  /** Runs while a check waits for its second look. */
  asleep?(): Promise<void> | void;
  /** Runs when a source is asked. */
  asking?(): Promise<void> | void;
  signal?: AbortSignal;
}

/** A Redis, three sources that say what a test tells them, and a clock that only moves when it is told to. */
export class World {
  readonly keys: Keys = createKeys('{p2p}:');
  readonly test: TestRedis;
  nowMs = START;
  /** What wall clock and monotonic clock differ by, as after a freeze. */
  frozenMs = 0;
  answers: Answer[] = [];
  kinds: Source['kind'][] = [];
  quorum = 2;
  /** Mistakes that are planted into the scripts. */
  mistakes: readonly Mistake[] = [];
  periodMs = MINUTE;
  invokeFails = false;
  readonly invoked: { functionName: string; payload: unknown }[] = [];
  readonly #recorded = recordLog();
  readonly logs = this.#recorded.lines;
  /** Commands of each request of the last check. */
  trips: number[] = [];
  asked: string[] = [];

  constructor(test: TestRedis) {
    this.test = test;
  }

  async reset(): Promise<void> {
    await this.test.command('FLUSHALL');
    this.nowMs = START;
    this.frozenMs = 0;
    this.answers = [];
    this.kinds = [];
    this.quorum = 2;
    this.mistakes = [];
    this.periodMs = MINUTE;
    this.invokeFails = false;
    this.invoked.length = 0;
    this.logs.length = 0;
    this.trips = [];
    this.asked = [];
  }

  /** One check, now. */
  check(tampering: Tampering = {}, event: unknown = { source: 'schedule' }): Promise<IpCheckSummary> {
    this.trips = [];
    this.asked = [];
    const { signal } = tampering;
    return runIpCheck(event, invocation(signal && { signal }), this.#parts(tampering));
  }

  /** The first trip of a check, through the store. */
  begin(): Promise<Check> {
    return beginCheck(this.#parts(), invocation().signal);
  }

  /** The operator's word, now. */
  async word(ip: Ip, id: string): Promise<OperatorsWord> {
    const parts = this.#parts();
    const clock = await openClock({ ...parts, localUuid: parts.config.localUuid });
    return commitOperatorsWord({ ip, id }, { ...parts, clock, signal: invocation().signal });
  }

  /** Moves the clock on, and then checks what the sources say now. */
  later(ms: number, ...answers: Answer[]): Promise<IpCheckSummary> {
    this.nowMs += ms;
    this.answers = answers;
    return this.check();
  }

  /** A register that has settled on `ip`: the change was committed and delivered long ago. */
  async settle(ip: Ip, ...producers: string[]): Promise<void> {
    await this.addProducers(...producers);
    this.answers = [ip, ip, ip];
    await this.check();
    await this.test.command('DEL', this.keys.due);
    this.nowMs += 60 * MINUTE;
    this.invoked.length = 0;
    this.logs.length = 0;
  }

  async addProducers(...uuids: string[]): Promise<void> {
    if (uuids.length === 0) return;
    await this.test.command('HSET', this.keys.producers, ...uuids.flatMap((uuid) => [uuid, '198.51.100.1']));
  }

  /** Sets fields of the register, as damage or another invocation would. */
  async set(fields: Readonly<Record<string, string | number>>): Promise<void> {
    await this.test.command('HSET', this.keys.ip, ...Object.entries(fields).flat());
  }

  register(): Promise<Readonly<Record<string, string>>> {
    return this.test.hash(this.keys.ip);
  }

  /** Who is due when, in the order of time. */
  async due(): Promise<Readonly<Record<string, string>>> {
    return pairs(await this.test.command('ZRANGE', this.keys.due, 0, -1, 'WITHSCORES'));
  }

  /** Asserts who is due, and since when: a commit spreads them over the second before. */
  async assertDue(expected: Readonly<Record<string, number>>): Promise<void> {
    const due = await this.due();
    assert.deepEqual(Object.keys(due).sort(), Object.keys(expected).sort());
    for (const [uuid, latestMs] of Object.entries(expected)) {
      const ms = Number(due[uuid]);
      assert.ok(ms <= latestMs && ms > latestMs - 1_000, `${uuid} is due since ${ms}, not ${latestMs}`);
    }
  }

  records(): Promise<Readonly<Record<string, string>>> {
    return this.test.hash(this.keys.deliveries);
  }

  async history(): Promise<Readonly<Record<string, string>>[]> {
    const entries = await this.test.command('XRANGE', this.keys.ipHistory, '-', '+');
    return (entries as [string, Reply][]).map(([, fields]) => pairs(fields));
  }

  /** The real Redis, but with this world's time, and with what a test does to the requests. */
  #redis(tampering: Tampering): Redis {
    let trip = 0;
    const redis = withMistakes(this.test.redis, this.mistakes);
    const tampered: Redis = {
      send: async (requests, options) => {
        trip += 1;
        await tampering.before?.(trip);
        this.trips.push(requests.length);
        const sent = tampering.request?.(trip, requests) ?? requests;
        if (trip === tampering.repeated) await redis.send(sent, options);
        const replies = await redis.send(sent, options);
        await tampering.after?.(trip);
        return replies;
      },
      close: async () => undefined,
    };
    return withTime(tampered, () => this.nowMs);
  }

  #parts(tampering: Tampering = {}): AppParts {
    return createParts({
      config: loadConfig({
        LOCAL_UUID,
        REDIS_URL: 'redis://127.0.0.1:1',
        IP_QUORUM: String(this.quorum),
        IP_CHECK_INTERVAL_MS: String(this.periodMs),
        PRODUCER_NOTIFY_FUNCTION: 'notify',
      }),
      log: this.#recorded.log,
      redis: this.#redis(tampering),
      sources: this.#sources(tampering),
      invoke: async (functionName, payload) => {
        if (this.invokeFails) throw new Error('not accepted');
        this.invoked.push({ functionName, payload });
      },
      host: {
        monotonicMs: () => this.nowMs - START - this.frozenMs,
        wallMs: () => this.nowMs,
        random: () => 0.5,
        sleep: async (ms) => {
          this.nowMs += ms;
          await tampering.asleep?.();
        },
      },
    });
  }

  #sources(tampering: Tampering): Source[] {
    return this.answers.map((_, i) => {
      const say = async () => {
        this.asked.push(`s${i}`);
        await tampering.asking?.();
        const answer = this.answers[i] ?? '?';
        return answer === '?' ? 'timeout' : answer;
      };
      return sourceSaying(`s${i}`, say, this.kinds[i]);
    });
  }
}

/** How a test in a world is written. */
export interface Tests {
  /** A test in a world whose Redis is empty. */
  test(name: string, body: (world: World) => Promise<void>, options?: { skip?: string }): void;
  /** A test in a world whose address has settled on `OLD`, and that has one producer. */
  settled(name: string, body: (world: World) => Promise<void>, options?: { skip?: string }): void;
}

/** Tests that share a Redis, empty before each: a real redis-server over TCP if there is one, unless told otherwise. */
export function inWorld(
  name: string,
  tests: (tests: Tests) => void,
  options: TestRedisOptions = {},
  suite: { skip?: string } = {},
): void {
  describe(name, suite, () => {
    let world: World | undefined;
    const ends: (() => unknown)[] = [];
    const begin = async () => {
      world ??= new World(await startTestRedis({ after: (end) => ends.push(end) }, options));
      await world.reset();
      return world;
    };
    after(async () => {
      for (const end of ends) await end();
    });
    tests({
      test: (sentence, body, how = {}) => void test(sentence, how, async () => body(await begin())),
      settled: (sentence, body, how = {}) =>
        void test(sentence, how, async () => {
          const w = await begin();
          await w.settle(OLD, uuidOf(1));
          await body(w);
        }),
    });
  });
}
