import assert from 'node:assert/strict';
import { RedisReplyError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Verdict } from '../../lib/ip/decide.ts';
import { START_MARGIN_MS } from '../../lib/notify/drain.ts';
import { type Ip, parseIp } from '../../lib/peers/ip-space.ts';
import type { Uuid } from '../../lib/peers/uuid.ts';
import type { Redis, Reply } from '../../lib/redis/redis.ts';
import {
  type Claimed,
  createDeliveryStore,
  type DeliveryStore,
  type Ended,
  type Result,
  type Settled,
} from '../../lib/store/deliveries.ts';
import { decodeDelivery, LONGEST_LEASE_MS, leaseMs } from '../../lib/store/delivery-record.ts';
import { openClock } from '../../lib/store/identity.ts';
import { createKeys } from '../../lib/store/keys.ts';
import { commitOperatorsWord } from '../../lib/store/operators-word.ts';
import { beginCheck, type Check } from '../../lib/store/register.ts';
import { clockAt, withTime } from '../support/clock.ts';
import { pairs } from '../support/redis.ts';
import { dyingAfter } from '../support/tampered-redis.ts';
import { uuidOf } from '../support/uuids.ts';

/** Everything that happens, happens to this world: the real scripts on a real Redis, all around them simulated. */

export const TIMEOUT_MS = 5_000;
export const PRODUCERS = 2;
export const DRAINS = ['drain-a', 'drain-b'] as const;
export const IPS: readonly Ip[] = ['203.0.113.1', '203.0.113.2'].map((text) => known(parseIp(text)));

const LATE_MS = 60_000;
/** Nothing waits for longer than an hour; the rest is for leases, for ambiguity, and for what comes late. */
const HEALED_WITHIN_MS = 66 * 60_000;
/** So many looks in a row have to miss a producer before a commit drops its delivery. */
const LOOKS_TO_DROP = 24;
const START_MS = 1_800_000_000_000;
const LOCAL_UUID = uuidOf(0xfff);

/** How a message to or from Redis may fare. A script that dies has made only its first so many writes. */
export type Fate = 'arrives' | 'request-lost' | 'reply-lost' | 'twice' | { readonly diesAfter: number };

/** What an attempt comes to, as its drain sees it. */
export type Ending = 'answered' | 'answer-lost' | 'refused' | 'timeout' | 'error-500' | 'error-504' | 'local';

interface Attempt {
  readonly delivery: Claimed;
  readonly drain: string;
  readonly leaseEnd: number;
  startedAt?: number;
  arrived: boolean;
  /** Until when the request may take effect. Set when it starts; brought forward when it ends. */
  livesUntil: number;
  /** Its drain lost sight of it: nobody will settle it. */
  orphaned: boolean;
}

interface Producer {
  readonly uuid: Uuid;
  /** Where it lives, and what `producers` holds whenever it holds it: a stranger answers 200 at all its former places. */
  home: string;
  moves: number;
  listed: boolean;
  /** How many looks in a row have missed it; a look or a commit that finds it sets that to 0. */
  misses: number;
  /** It has been promised the newest address. */
  owed: boolean;
  /** It may be called. */
  pending: boolean;
  readonly received: { epoch: number; ip: string; at: number }[];
}

/**
 * - `in-time`: a request takes effect before its drain gives it up or its lease ends, or never.
 * - `late`: up to 60 s after that. Then an older address may come after a newer one, but it does not stay.
 * - `clock`: in time, and Redis's clock is set back and forward. Leases look longer or shorter than they are then, so that
 *   an older address may come after a newer one, but nothing waits for longer than an hour.
 */
export type Mode = 'in-time' | 'late' | 'clock';

export interface World {
  readonly mode: Mode;
  checks: { begun: Check; ip: Ip; redis: { fate: Fate } }[];
  attempts: Attempt[];
  ended: (Ended & { drain: string })[];
  advance(ms: number): Promise<void>;
  changeIp(ip: Ip): void;
  list(index: number): Promise<void>;
  unlist(index: number): Promise<void>;
  move(index: number): Promise<void>;
  /** Moves one whose call has started and not ended. */
  moveCalled(pick: number): Promise<void>;
  rewrite(index: number): Promise<void>;
  beginCheck(): Promise<void>;
  recordCheck(pick: number, fate: Fate): Promise<void>;
  word(ip: Ip, id: string, fate: Fate): Promise<void>;
  /** Claims, and settles up to `count` of what has ended in the same script. */
  claim(drain: string, places: number, fate: Fate, count?: number): Promise<void>;
  start(pick: number): void;
  arrive(pick: number): void;
  end(pick: number, ending: Ending): void;
  settle(drain: string, count: number, fate: Fate): Promise<void>;
  /** So many claims, each when the next delivery is to be looked at. What they take is never called. */
  keepLooking(drain: string, looks: number): Promise<void>;
  crash(drain: string): void;
  flushScripts(): Promise<void>;
  /** Sets Redis's clock. */
  setClock(byMs: number): Promise<void>;
  /** Lets everything that is late happen, heals all, drains until nothing is due, and checks the promise. */
  heal(): Promise<void>;
}

/** `redis` is empty, and may carry planted mistakes. */
export async function createWorld(redis: Redis, mode: Mode): Promise<World> {
  const keys = createKeys('{model}:');
  let now = START_MS;
  let truth = known(IPS[0]);
  /** How far Redis's clock is ahead of the true time. */
  let aheadMs = 0;
  const redisNow = () => now + aheadMs;
  /** When `lease:notify` ends, by Redis's clock. */
  let drainLeaseEnd = 0;
  /** A script died since the last commit: it may have settled somebody without counting it. */
  let mayBeUncounted = false;
  /** When a producer was last told something that it had to be told. */
  let lastTold = START_MS;
  const producers: Producer[] = Array.from({ length: PRODUCERS }, (_, i) => ({
    uuid: uuidOf(i + 1),
    home: `203.0.113.${10 * (i + 1)}`,
    moves: 0,
    listed: false,
    misses: 0,
    owed: false,
    pending: false,
    received: [],
  }));
  const host: Pick<Host, 'monotonicMs' | 'wallMs'> = { monotonicMs: () => now, wallMs: () => now };
  const never = new AbortController().signal;

  const command = async (...args: [string, ...(string | number)[]]): Promise<Reply> => {
    const [reply] = await redis.send([args], { repeatable: false });
    if (reply instanceof RedisReplyError) throw reply;
    return reply ?? null;
  };

  /** A Redis that knows the virtual time, over a network that does as told. */
  const network = (fate: Fate): Redis => {
    const target = typeof fate === 'object' ? dyingAfter(redis, fate.diesAfter) : redis;
    const lossy: Redis = {
      async send(requests, options) {
        if (fate === 'request-lost') throw new Lost();
        if (fate === 'twice') await target.send(requests, options);
        const replies = await target.send(requests, options);
        if (fate === 'reply-lost') throw new Lost();
        for (const reply of replies) {
          if (reply instanceof RedisReplyError && reply.message.includes('the script died')) throw new Lost();
        }
        return replies;
      },
      close: async () => {},
    };
    return withTime(lossy, redisNow);
  };

  /** A Redis over a network whose fate can be set from now on. */
  const openNetwork = () => {
    const opened: Redis & { fate: Fate } = {
      fate: 'arrives',
      send: (requests, options) => network(opened.fate).send(requests, options),
      close: async () => {},
    };
    return opened;
  };

  /** After something that may have committed: who became due, seen in Redis and held against who had to. */
  const noteCommits = async (before: { epoch: string | undefined; due: ReadonlySet<string> }, fate: Fate) => {
    const epoch = await storedEpoch();
    const due = await dueMembers();
    const committed = epoch !== before.epoch;
    mayBeUncounted = typeof fate === 'object' || (mayBeUncounted && !committed);
    // A commit that died half-way may have made some due already.
    const mayBeDue = committed || typeof fate === 'object';
    for (const producer of producers) {
      const { uuid, listed, misses } = producer;
      if (mayBeDue && listed && due.has(uuid)) producer.pending = true;
      if (before.due.has(uuid) && !due.has(uuid)) {
        assert.ok(
          !listed && misses >= LOOKS_TO_DROP,
          `only a producer that ${LOOKS_TO_DROP} looks in a row have missed loses its delivery`,
        );
        // Also by a commit that died half-way: nothing is promised to whom the API kept removed for so long.
        producer.pending = false;
        producer.owed = false;
      }
      if (!committed) continue;
      if (listed) {
        assert.ok(due.has(uuid), 'a producer that was known at a change has a delivery');
        producer.misses = 0;
      }
      producer.owed = due.has(uuid);
    }
    if (committed && before.epoch !== undefined) {
      assert.ok(Number(epoch) > Number(before.epoch), 'the epoch only grows');
    }
  };
  const beforeCommit = async () => ({ epoch: await storedEpoch(), due: await dueMembers() });

  const unlist = async (producer: Producer) => {
    producer.listed = false;
    await command('HDEL', keys.producers, producer.uuid);
  };

  const storedEpoch = async () => {
    const reply = await command('HGET', keys.ip, 'epoch');
    return reply === null ? undefined : String(reply);
  };
  const dueMembers = async () => new Set((await list('ZRANGE', keys.due, 0, -1)).map(String));
  const list = async (...args: [string, ...(string | number)[]]) => {
    const reply = await command(...args);
    return Array.isArray(reply) ? reply : [];
  };

  const holder = async () => {
    const token = await command('GET', keys.lease('notify'));
    return token === null ? null : String(token);
  };
  const noteDrainLease = async (drain: string) => {
    if ((await holder()) === drain) drainLeaseEnd = redisNow() + leaseMs(TIMEOUT_MS);
  };

  /** The store of a drain, over a network that does as told from now on. */
  const stores = new Map<string, { store: DeliveryStore; redis: { fate: Fate } }>();
  const storeOf = async (drain: string, fate: Fate): Promise<DeliveryStore> => {
    let opened = stores.get(drain);
    if (opened === undefined) {
      const redis = openNetwork();
      const clock = await openClock({ redis, keys, host, localUuid: LOCAL_UUID, signal: never });
      const parts = { redis, keys, host, clock, notifyTimeoutMs: TIMEOUT_MS, drainToken: drain };
      opened = { redis, store: createDeliveryStore(parts) };
      stores.set(drain, opened);
    }
    opened.redis.fate = fate;
    return opened.store;
  };
  /** A delivery is over only if its producer has acknowledged the address that is current now. */
  const noteSettled = (ended: readonly (Ended & { drain: string })[], settled: readonly Settled[]) => {
    for (const one of ended) remove(world.ended, one);
    for (const [i, { delivery }] of ended.entries()) {
      const producer = producers.find(({ uuid }) => uuid === delivery.uuid);
      if (settled[i] === 'told' && producer !== undefined) producer.pending = false;
    }
  };

  /** A claim counts at most one miss of a producer, and only if the producer is not there. */
  const noteMisses = async () => {
    for (const producer of producers) {
      const { missed = 0 } = decodeDelivery(await command('HGET', keys.deliveries, producer.uuid));
      if (missed <= producer.misses) continue;
      assert.ok(!producer.listed && missed === producer.misses + 1, 'one miss a look');
      producer.misses = missed;
    }
  };

  /** `told` in the register is how many records say that they acknowledged the present epoch. */
  const checkTelling = async () => {
    if (mayBeUncounted) return;
    const [told, epoch] = await list('HMGET', keys.ip, 'told', 'epoch');
    const records = (await list('HVALS', keys.deliveries)).map(decodeDelivery);
    const acknowledged = records.filter(({ ackedEpoch }) => String(ackedEpoch) === epoch);
    assert.equal(Number(told ?? 0), acknowledged.length, 'each acknowledgement is counted once');
  };

  const checkLeases = async () => {
    const due = await dueMembers();
    for (const [uuid, json] of Object.entries(pairs(await command('HGETALL', keys.deliveries)))) {
      const record: unknown = JSON.parse(json);
      if (typeof record === 'object' && record !== null && 'lease' in record) {
        assert.ok(due.has(uuid), 'every record with a lease is in deliveries:due');
      }
    }
  };

  const effect = (attempt: Attempt) => {
    attempt.arrived = true;
    const producer = producers.find(({ uuid }) => uuid === attempt.delivery.uuid);
    if (producer === undefined || producer.home !== attempt.delivery.rawAddress) return;
    const last = producer.received.at(-1);
    if (mode === 'in-time' && last !== undefined) {
      assert.ok(last.epoch <= attempt.delivery.epoch, 'a producer gets no older address after a newer one');
    }
    if (producer.owed && producer.pending) lastTold = now;
    producer.received.push({ epoch: attempt.delivery.epoch, ip: attempt.delivery.ip, at: now });
  };

  const retire = (attempt: Attempt, ending: Ending) => {
    const endedMonotonicMs = now;
    attempt.livesUntil = mode !== 'late' || isAnswer(ending) || neverLeft(ending) ? now : now + LATE_MS;
    world.ended.push({
      delivery: attempt.delivery,
      result: resultOf(ending),
      endedMonotonicMs,
      drain: attempt.drain,
    });
    if (attempt.livesUntil <= now || attempt.arrived) remove(world.attempts, attempt);
    else attempt.orphaned = true;
  };

  const world: World = {
    mode,
    checks: [],
    attempts: [],
    ended: [],

    async advance(ms) {
      const until = now + ms;
      // A request has an absolute deadline: its drain gives it up on the way.
      for (;;) {
        const next = world.attempts
          .filter(({ startedAt, orphaned }) => startedAt !== undefined && !orphaned)
          .map((attempt) => ({ attempt, at: (attempt.startedAt ?? 0) + TIMEOUT_MS }))
          .filter(({ at }) => at <= until)
          .sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        now = Math.max(now, next.at);
        retire(next.attempt, 'timeout');
      }
      now = until;
      world.attempts = world.attempts.filter(
        ({ livesUntil, startedAt, leaseEnd }) => (startedAt === undefined ? leaseEnd : livesUntil) > now,
      );
      if (redisNow() > drainLeaseEnd) await command('DEL', keys.lease('notify'));
    },

    changeIp(ip) {
      truth = ip;
    },

    async list(index) {
      const producer = at(producers, index);
      producer.listed = true;
      await command('HSET', keys.producers, producer.uuid, producer.home);
    },
    async unlist(index) {
      await unlist(at(producers, index));
    },
    async move(index) {
      const producer = at(producers, index);
      // It lives at its new place only from now on: what it got before, it got.
      // Never back: that a stranger's 200 at a former place is not counted is promised only while it is a former place.
      producer.moves += 1;
      producer.home = `203.0.113.${10 * (producers.indexOf(producer) + 1)}:${8_000 + producer.moves}`;
      if (producer.listed) await command('HSET', keys.producers, producer.uuid, producer.home);
    },
    async moveCalled(pick) {
      const called = at(
        world.attempts.filter(({ startedAt, orphaned }) => startedAt !== undefined && !orphaned),
        pick,
      );
      await world.move(producers.findIndex(({ uuid }) => uuid === called.delivery.uuid));
    },
    async rewrite(index) {
      // The hash is gone for a moment, in which anything may look at it; `list` brings its members back.
      for (const producer of producers.slice(index % PRODUCERS)) {
        await unlist(producer);
      }
    },

    async beginCheck() {
      const redis = openNetwork();
      const config = { localUuid: LOCAL_UUID, ip: { intervalMs: 60_000 } };
      world.checks.push({ begun: await beginCheck({ redis, keys, host, config }, never), redis, ip: truth });
    },

    async recordCheck(pick, fate) {
      const check = at(world.checks, pick);
      remove(world.checks, check);
      const before = await beforeCommit();
      const verdict: Verdict =
        check.begun.register.current === check.ip ? { kind: 'voice' } : { kind: 'change', ip: check.ip };
      check.redis.fate = fate;
      await orLost(
        check.begun.record({
          verdict,
          votes: [],
          quickReturn: { kind: 'none' },
          answering: undefined,
          warnings: [],
        }),
      );
      await noteCommits(before, fate);
    },

    async word(ip, id, fate) {
      const before = await beforeCommit();
      const parts = { redis: network(fate), keys, clock: clockAt(redisNow), signal: never };
      await orLost(commitOperatorsWord({ ip, id }, parts));
      await noteCommits(before, fate);
    },

    async claim(drain, places, fate, count = 0) {
      const ended = world.ended.filter((one) => one.drain === drain).slice(0, count);
      const holding = world.attempts.filter((one) => one.drain === drain && !one.orphaned).length;
      // A claim is sent once: a duplicate would be a bug of the client, which its own tests exclude.
      const store = await storeOf(drain, fate === 'twice' ? 'arrives' : fate);
      const reply = await orLost(store.settleAndClaim({ ended, next: { claim: places, holding } }));
      await noteDrainLease(drain);
      mayBeUncounted ||= typeof fate === 'object';
      await checkLeases();
      await checkTelling();
      await noteMisses();
      if (reply?.claim === undefined) return;
      noteSettled(ended, reply.settled);
      for (const delivery of reply.claim.deliveries) {
        const producer = producers.find((one) => one.uuid === delivery.uuid);
        assert.ok(producer?.pending, 'a producer without a delivery is never called');
        producer.misses = 0;
        const leaseEnd = now + leaseMs(TIMEOUT_MS);
        world.attempts.push({
          delivery,
          drain,
          leaseEnd,
          arrived: false,
          livesUntil: leaseEnd,
          orphaned: false,
        });
      }
    },

    start(pick) {
      const attempt = at(
        world.attempts.filter(({ startedAt, orphaned }) => startedAt === undefined && !orphaned),
        pick,
      );
      if (now + TIMEOUT_MS + START_MARGIN_MS > attempt.leaseEnd) {
        remove(world.attempts, attempt);
        world.ended.push({ ...attempt, result: { kind: 'released' }, endedMonotonicMs: now });
        return;
      }
      attempt.startedAt = now;
    },
    arrive(pick) {
      effect(
        at(
          world.attempts.filter(({ startedAt, arrived }) => startedAt !== undefined && !arrived),
          pick,
        ),
      );
    },
    end(pick, ending) {
      const attempt = at(
        world.attempts.filter(({ startedAt, orphaned }) => startedAt !== undefined && !orphaned),
        pick,
      );
      const needsArrival = isAnswer(ending) || ending === 'answer-lost';
      if (needsArrival && !attempt.arrived) effect(attempt);
      retire(attempt, neverLeft(ending) && attempt.arrived ? 'timeout' : ending);
    },

    async settle(drain, count, fate) {
      const ended = world.ended.filter((one) => one.drain === drain).slice(0, count);
      const store = await storeOf(drain, fate);
      const reply = await orLost(store.settleAndClaim({ ended, next: 'settle' }));
      await noteDrainLease(drain);
      mayBeUncounted ||= typeof fate === 'object';
      await checkLeases();
      await checkTelling();
      // Without a reply it is sent again, later or never.
      if (reply !== undefined) noteSettled(ended, reply.settled);
    },

    async keepLooking(drain, looks) {
      for (let look = 0; look < looks; look++) {
        const [, score] = await list('ZRANGE', keys.due, 0, 0, 'WITHSCORES');
        if (score === undefined) return;
        await world.advance(Math.max(1, Math.min(Number(score) - redisNow(), 3_600_000)));
        await world.claim(drain, PRODUCERS, 'arrives');
      }
    },

    crash(drain) {
      stores.delete(drain);
      world.ended = world.ended.filter((one) => one.drain !== drain);
      world.attempts = world.attempts.filter((one) => one.drain !== drain || one.startedAt !== undefined);
      for (const attempt of world.attempts) {
        if (attempt.drain !== drain || attempt.orphaned) continue;
        attempt.orphaned = true;
        attempt.livesUntil = mode === 'late' ? attempt.leaseEnd + LATE_MS : attempt.leaseEnd;
      }
      world.attempts = world.attempts.filter(({ arrived, orphaned }) => !(arrived && orphaned));
    },

    async flushScripts() {
      await command('SCRIPT', 'FLUSH');
    },

    async setClock(byMs) {
      aheadMs += byMs;
      // Redis keeps the moment at which a key ends, and not how long it lives.
      const left = drainLeaseEnd - redisNow();
      await command('PEXPIRE', keys.lease('notify'), Math.max(left, 0));
    },

    async heal() {
      for (const drain of DRAINS) world.crash(drain);
      await world.setClock(-aheadMs);
      const began = now;
      const worst = Math.max(now, ...world.attempts.map(({ livesUntil }) => livesUntil - 1));
      await world.beginCheck();
      await world.recordCheck(world.checks.length - 1, 'arrives');
      const drain = 'healer';
      for (let round = 0; round < 60; round++) {
        // The worst case: what is late takes effect at the last moment.
        for (const late of world.attempts.filter((one) => one.orphaned && now >= one.livesUntil - 1)) {
          if (!late.arrived) effect(late);
          remove(world.attempts, late);
        }
        await world.claim(drain, 10, 'arrives');
        while (world.attempts.some((one) => one.drain === drain && one.startedAt === undefined))
          world.start(0);
        for (const attempt of world.attempts.filter((one) => one.drain === drain && !one.orphaned)) {
          if (!attempt.arrived) effect(attempt);
          retire(attempt, 'answered');
        }
        await world.settle(drain, 10, 'arrives');
        // Who is not listed is looked at each minute, and could use up all rounds before another's hourly retry is due.
        const due = await list('ZRANGE', keys.due, 0, -1, 'WITHSCORES');
        const waiting = producers.filter(({ listed }) => listed).map(({ uuid }) => due.indexOf(uuid));
        const scores = waiting.filter((at) => at >= 0).map((at) => Number(due[at + 1]));
        const score = scores.length === 0 ? undefined : Math.min(...scores);
        if (score === undefined && now > worst) break;
        // A check starts a drain also while there is a `lease:notify` that no drain can have made.
        const believable = drainLeaseEnd - redisNow() <= LONGEST_LEASE_MS;
        const held = believable && ![null, drain].includes(await holder());
        const soonest = [
          ...(held ? [drainLeaseEnd + 1 - aheadMs] : score === undefined ? [] : [score - aheadMs]),
          ...world.attempts.map(({ livesUntil }) => livesUntil - 1),
          now + 3_600_000,
        ];
        await world.advance(Math.max(1, Math.min(...soonest) - now));
      }

      assert.equal(await command('HGET', keys.ip, 'current'), truth, 'the register holds the true address');
      assert.ok(
        lastTold - began <= HEALED_WITHIN_MS,
        `the last was told ${lastTold - began} ms after all was well`,
      );
      for (const { uuid, listed, owed, received } of producers) {
        if (!listed || !owed) continue;
        assert.equal(received.at(-1)?.ip, truth, `${uuid} was left with an older address, or with none`);
      }
    },
  };
  return world;
}

/** A message that did not get through. */
class Lost extends Error {}

async function orLost<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Lost) return undefined;
    throw error;
  }
}

function isAnswer(ending: Ending): boolean {
  return ending === 'answered' || ending === 'error-500';
}

/** Nothing of the request has left this machine. */
function neverLeft(ending: Ending): boolean {
  return ending === 'refused' || ending === 'local';
}

function resultOf(ending: Ending): Result {
  const failed = (status: string, ambiguous: boolean): Result => ({
    kind: 'failed',
    status,
    ambiguous,
    retryInMs: 40_000,
  });
  switch (ending) {
    case 'answered':
      return { kind: 'acknowledged', status: 200 };
    case 'refused':
      return failed('refused', false);
    case 'error-500':
      return failed('500', false);
    case 'error-504':
      return failed('504', true);
    case 'timeout':
    case 'answer-lost':
      return failed('timeout', true);
    case 'local':
      return { kind: 'released', later: { status: 'local', retryInMs: 60_000 } };
  }
}

function at<T>(items: readonly T[], pick: number): T {
  return known(items[pick % items.length]);
}

function known<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

function remove<T>(items: T[], item: T): void {
  const index = items.indexOf(item);
  if (index >= 0) items.splice(index, 1);
}
