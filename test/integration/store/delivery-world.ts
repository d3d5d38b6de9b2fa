import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { RedisReplyError } from '../../../lib/errors.ts';
import { parseIp } from '../../../lib/peers/ip-space.ts';
import { parseUuid } from '../../../lib/peers/uuid.ts';
import type { Redis, Reply } from '../../../lib/redis/redis.ts';
import {
  type Claim,
  type Claimed,
  createDeliveryStore,
  type DeliveryStore,
  type Ended,
  type Result,
  type Settled,
  type TurnReply,
} from '../../../lib/store/deliveries.ts';
import { type Delivery, decodeDelivery } from '../../../lib/store/delivery-record.ts';
import { openClock } from '../../../lib/store/identity.ts';
import { createKeys, type Keys } from '../../../lib/store/keys.ts';
import { commitOperatorsWord } from '../../../lib/store/operators-word.ts';
import { clockAt, invocation, SECOND, withTime } from '../../support/clock.ts';
import { pairs } from '../../support/redis.ts';

/** A moment by a virtual Redis clock. No script asks for the time. */
export const T0 = 1_800_000_000_000;
/** With it a lease lasts 30 s. */
export const NOTIFY_TIMEOUT_MS = 5_000;
export const LEASE_MS = 30_000;
/** When a failed attempt is tried again. The backoff is the drain's, and has its own tests. */
export const RETRY_MS = 30 * SECOND;

export const P1 = '9b2fdb3c-58cb-4a1e-9f6c-3f0d2b1c8a55';
export const P2 = '7d444840-9dc0-41d1-b245-5ffdce74fad2';
export const A1 = '198.51.100.9:8080';
export const A2 = '198.51.100.10';
const LOCAL_UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';

export const OK: Result = { kind: 'acknowledged', status: 200 };
export const REFUSED: Result = { kind: 'failed', status: 'refused', ambiguous: false, retryInMs: RETRY_MS };
export const TIMEOUT: Result = { kind: 'failed', status: 'timeout', ambiguous: true, retryInMs: RETRY_MS };
export const RELEASED: Result = { kind: 'released' };

interface SettleOptions {
  /** When the attempts ended. Default: now. */
  readonly endedAt?: number;
  readonly drain?: string;
  /** The drain ends with this. */
  readonly ends?: boolean;
}

export interface World {
  readonly prefix: string;
  readonly keys: Keys;
  readonly redis: Redis;
  command(name: string, ...args: (string | number)[]): Promise<Reply>;
  /** The store of the drain of that name, which is also its token. */
  store(drain: string): Promise<DeliveryStore>;
  produce(uuid: string, address: string): Promise<void>;
  remove(uuid: string): Promise<void>;
  /** Commits an address as the IP check would: everybody in `producers` is due. Answers the epoch. */
  commit(ip: string, nowMs: number): Promise<number>;
  /** One turn of the drain of that name, whose claims and settles go through the same store. */
  turn(
    nowMs: number,
    turn: Parameters<DeliveryStore['settleAndClaim']>[0],
    drain?: string,
  ): Promise<TurnReply>;
  claim(
    nowMs: number,
    options?: { places?: number; drain?: string; holding?: number },
  ): Promise<Claim & Pick<TurnReply, 'more' | 'backlog'>>;
  /** Claims and answers the one delivery that was due. */
  claimOne(nowMs: number): Promise<Claimed>;
  settle(nowMs: number, delivery: Claimed, result: Result, options?: SettleOptions): Promise<Settled>;
  settleMany(nowMs: number, ended: readonly (readonly [Claimed, Result])[]): Promise<readonly Settled[]>;
  record(uuid: string): Promise<Delivery>;
  /** When it is to be looked at, undefined if it has no delivery. */
  score(uuid: string): Promise<number | undefined>;
  /** Fields of the register. */
  register(): Promise<Readonly<Record<string, string>>>;
  /** The token in `lease:notify`. */
  holder(): Promise<Reply>;
  /** Fails unless every record with a lease is a member of `deliveries:due`. */
  checkLeases(): Promise<void>;
}

/** A world of its own behind a prefix of its own. */
export function createWorld(redis: Redis): World {
  const prefix = `{${randomUUID().slice(0, 8)}}:`;
  const keys = createKeys(prefix);
  let now = T0;
  const virtual = withTime(redis, () => now);
  const stores = new Map<string, Promise<DeliveryStore>>();
  const open = async (drain: string) => {
    const parts = { redis: virtual, keys, host: { monotonicMs: () => now, wallMs: () => now } };
    const clock = await openClock({ ...parts, localUuid: known(parseUuid(LOCAL_UUID)) });
    return createDeliveryStore({ ...parts, clock, notifyTimeoutMs: NOTIFY_TIMEOUT_MS, drainToken: drain });
  };
  const storeOf = (drain: string) => {
    const store = stores.get(drain) ?? open(drain);
    stores.set(drain, store);
    return store;
  };
  const command = async (name: string, ...args: (string | number)[]) => {
    const [reply] = await redis.send([[name, ...args]], { repeatable: false });
    if (reply instanceof RedisReplyError) throw reply;
    return reply ?? null;
  };
  const settleAll = async (
    nowMs: number,
    ended: readonly (readonly [Claimed, Result])[],
    { endedAt = nowMs, drain, ends = false }: SettleOptions = {},
  ) => {
    const list = ended.map(([delivery, result]): Ended => ({ delivery, result, endedMonotonicMs: endedAt }));
    return (await world.turn(nowMs, { ended: list, next: ends ? 'end' : 'settle' }, drain)).settled;
  };

  const world: World = {
    prefix,
    keys,
    redis,
    command,
    store: storeOf,
    async produce(uuid, address) {
      await command('HSET', keys.producers, uuid, address);
    },
    async remove(uuid) {
      await command('HDEL', keys.producers, uuid);
    },
    async commit(raw, nowMs) {
      const word = await commitOperatorsWord(
        { ip: known(parseIp(raw)), id: randomUUID() },
        { redis, keys, clock: clockAt(() => nowMs), signal: invocation().signal },
      );
      assert.equal(word.kind, 'committed');
      await world.checkLeases();
      return word.epoch ?? 0;
    },
    async turn(nowMs, turn, drain = 'drain-1') {
      now = nowMs;
      const store = await storeOf(drain);
      const reply = await store.settleAndClaim(turn);
      await world.checkLeases();
      return reply;
    },
    async claim(nowMs, { places = 64, drain, holding = 0 } = {}) {
      const { claim, more, backlog } = await world.turn(
        nowMs,
        { ended: [], next: { claim: places, holding } },
        drain,
      );
      return { ...known(claim), more, ...(backlog && { backlog }) };
    },
    async claimOne(nowMs) {
      const { deliveries } = await world.claim(nowMs);
      assert.equal(deliveries.length, 1, 'one delivery is due');
      return known(deliveries[0]);
    },
    async settle(nowMs, delivery, result, options) {
      return known((await settleAll(nowMs, [[delivery, result]], options))[0]);
    },
    settleMany: (nowMs, ended) => settleAll(nowMs, ended),
    record: async (uuid) => decodeDelivery(await command('HGET', keys.deliveries, uuid)),
    async score(uuid) {
      const score = await command('ZSCORE', keys.due, uuid);
      return score === null ? undefined : Number(score);
    },
    register: async () => pairs(await command('HGETALL', keys.ip)),
    holder: () => command('GET', keys.lease('notify')),
    async checkLeases() {
      const records = pairs(await command('HGETALL', keys.deliveries));
      for (const [uuid, json] of Object.entries(records)) {
        if (decodeDelivery(json).lease === undefined) continue;
        assert.notEqual(await world.score(uuid), undefined, 'a record with a lease is in deliveries:due');
      }
    },
  };
  return world;
}

function known<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}
