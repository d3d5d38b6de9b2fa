import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { RedisReplyError } from '../../../lib/errors.ts';
import type { Host } from '../../../lib/host.ts';
import { type ClaimReply, claimCall, readClaimReply } from '../../../lib/notify/claim.lua.ts';
import { type Claimed, type Delivery, decodeDelivery, type Result } from '../../../lib/notify/delivery.ts';
import { readSettleReply, type Settled, settleCall } from '../../../lib/notify/settle.lua.ts';
import { parseIp } from '../../../lib/peers/ip-space.ts';
import { parseUuid } from '../../../lib/peers/uuid.ts';
import type { Redis, Reply, ScriptCall } from '../../../lib/redis/redis.ts';
import { createKeys, type Keys } from '../../../lib/store/keys.ts';
import { openRegisterStore } from '../../../lib/store/register.ts';
import { clockAt } from '../../support/fixed-clock.ts';

/** A moment by a virtual Redis clock; no script asks for the time. */
export const T0 = 1_800_000_000_000;
export const SECOND = 1_000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const DAY = 86_400_000;
/** With it a lease lasts 30 s. */
export const NOTIFY_TIMEOUT_MS = 5_000;
export const LEASE_MS = 30_000;

export const P1 = '9b2fdb3c-58cb-4a1e-9f6c-3f0d2b1c8a55';
export const P2 = '7d444840-9dc0-41d1-b245-5ffdce74fad2';
export const A1 = '198.51.100.9:8080';
export const A2 = '198.51.100.10';

export const OK: Result = { kind: 'acknowledged', status: 200 };
export const REFUSED: Result = { kind: 'failed', error: 'refused', ambiguous: false };
export const TIMEOUT: Result = { kind: 'failed', error: 'timeout', ambiguous: true };
export const RELEASED: Result = { kind: 'released' };

export interface World {
  readonly keys: Keys;
  readonly redis: Redis;
  command(name: string, ...args: (string | number)[]): Promise<Reply>;
  produce(uuid: string, address: string): Promise<void>;
  remove(uuid: string): Promise<void>;
  /** Commits an address as the IP check would: everybody in `producers` is due. Answers the epoch. */
  commit(ip: string, nowMs: number): Promise<number>;
  claim(
    nowMs: number,
    options?: { places?: number; drain?: string; inFlight?: boolean },
  ): Promise<ClaimReply>;
  /** Claims and answers the one delivery that was due. */
  claimOne(nowMs: number): Promise<Claimed>;
  settle(
    nowMs: number,
    delivery: Claimed,
    result: Result,
    options?: { endedAt?: number; drain?: string; ends?: boolean; random?: number },
  ): Promise<Settled>;
  settleMany(nowMs: number, ended: readonly (readonly [Claimed, Result])[]): Promise<readonly Settled[]>;
  record(uuid: string): Promise<Delivery>;
  /** When it is to be looked at, undefined if it has no delivery. */
  score(uuid: string): Promise<number | undefined>;
  /** Entries of `ip:history`, oldest first. */
  history(): Promise<Record<string, string>[]>;
  /** Fails unless every record with a lease is a member of `deliveries:due`. */
  checkLeases(): Promise<void>;
}

/** A world of its own behind a prefix of its own. */
export function createWorld(redis: Redis): World {
  const keys = createKeys(`{${randomUUID().slice(0, 8)}}:`);
  const send = async (call: ScriptCall) => orThrow((await redis.send([call], { repeatable: false }))[0]);
  const command = async (name: string, ...args: (string | number)[]) =>
    orThrow((await redis.send([[name, ...args]], { repeatable: false }))[0]);

  const settleAll: (
    nowMs: number,
    ended: readonly (readonly [Claimed, Result])[],
    options?: { endedAt?: number; drain?: string; ends?: boolean; random?: number },
  ) => Promise<readonly Settled[]> = async (
    nowMs,
    ended,
    { endedAt = nowMs, drain = 'drain-1', ends = false, random = 0 } = {},
  ) => {
    const call = settleCall(keys, {
      nowMs,
      drainToken: drain,
      notifyTimeoutMs: NOTIFY_TIMEOUT_MS,
      ends,
      ended: ended.map(([delivery, result]) => ({ delivery, result, endedAt })),
      random: () => random,
    });
    const { settled } = readSettleReply(await send(call));
    await world.checkLeases();
    return settled;
  };

  const world: World = {
    keys,
    redis,
    command,
    async produce(uuid, address) {
      await command('HSET', keys.producers, uuid, address);
    },
    async remove(uuid) {
      await command('HDEL', keys.producers, uuid);
    },
    async commit(raw, nowMs) {
      const ip = parseIp(raw);
      const localUuid = parseUuid(P1);
      assert.ok(ip && localUuid);
      const store = openRegisterStore(
        { redis, keys, host: createHost(), config: { localUuid, ip: { intervalMs: 60_000 } } },
        { signal: new AbortController().signal, clock: clockAt(() => nowMs) },
      );
      const word = await store.commitOperatorsWord({ ip, id: randomUUID() });
      assert.equal(word.kind, 'committed');
      await world.checkLeases();
      return word.epoch ?? 0;
    },
    async claim(nowMs, { places = 64, drain = 'drain-1', inFlight = false } = {}) {
      const request = {
        nowMs,
        drainToken: drain,
        claimToken: randomUUID(),
        places,
        notifyTimeoutMs: NOTIFY_TIMEOUT_MS,
        inFlight,
      };
      const reply = readClaimReply(await send(claimCall(keys, request)), request);
      await world.checkLeases();
      return reply;
    },
    async claimOne(nowMs) {
      const { deliveries } = await world.claim(nowMs);
      assert.equal(deliveries.length, 1, 'one delivery is due');
      const [delivery] = deliveries;
      assert.ok(delivery);
      return delivery;
    },
    async settle(nowMs, delivery, result, options) {
      const [settled] = await settleAll(nowMs, [[delivery, result]], options);
      assert.ok(settled);
      return settled;
    },
    settleMany: (nowMs, ended) => settleAll(nowMs, ended),
    record: async (uuid) => decodeDelivery(await command('HGET', keys.deliveries, uuid)),
    async score(uuid) {
      const score = await command('ZSCORE', keys.due, uuid);
      return score === null ? undefined : Number(score);
    },
    async history() {
      const entries = await command('XRANGE', keys.ipHistory, '-', '+');
      return (Array.isArray(entries) ? entries : []).map((entry: Reply) => {
        const [, fields] = Array.isArray(entry) ? entry : [];
        return pairs(fields);
      });
    },
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

export function orThrow(reply: Reply | RedisReplyError | undefined): Reply {
  if (reply instanceof RedisReplyError) throw reply;
  return reply ?? null;
}

export function pairs(flat: Reply | undefined): Record<string, string> {
  const list = Array.isArray(flat) ? flat.map(String) : [];
  return Object.fromEntries(
    list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1] ?? ''] as const] : [])),
  );
}

/** The machine's clocks; `wallAheadMs` is added to the wall clock, as a freeze would. */
export function createHost(): Host & { wallAheadMs: number } {
  return {
    wallAheadMs: 0,
    monotonicMs: () => performance.now(),
    wallMs() {
      return Date.now() + this.wallAheadMs;
    },
    random: () => 0,
    sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}).catch(() => undefined),
  };
}
