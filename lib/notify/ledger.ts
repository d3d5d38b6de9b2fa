import { randomUUID } from 'node:crypto';
import { RedisReplyError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { RedisClock } from '../redis/clock.ts';
import type { Redis, Reply } from '../redis/redis.ts';
import type { Keys } from '../store/keys.ts';
import { type Budget, watchLease } from './budget.ts';
import type { Finished } from './calls.ts';
import { type Backlog, type ClaimReply, type ClaimRequest, claimCall, readClaimReply } from './claim.lua.ts';
import { readSettleReply, type Settled, settleCall } from './settle.lua.ts';

/** The most deliveries that one settle reports: what Lua's `unpack` bears in every engine. */
const SETTLE_AT_MOST = 500;

export interface LedgerParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly host: Pick<Host, 'monotonicMs' | 'wallMs' | 'random'>;
  /** Has been read at least once. */
  readonly clock: RedisClock;
  readonly budget: Budget;
  readonly notifyTimeoutMs: number;
}

export interface Entry {
  /** What has ended and is to be settled. */
  readonly finished: readonly Finished[];
  /** How many deliveries to claim; 0 claims nothing. */
  readonly places: number;
  /** Whether requests are in flight. */
  readonly inFlight: boolean;
  /** Whether the drain ends with this. */
  readonly ends: boolean;
}

export interface Booked {
  readonly settled: readonly Settled[];
  readonly backlog?: Backlog;
  readonly claim?: ClaimReply;
  /** Whether a request under the claim's lease may start, asked at that moment. */
  readonly mayStart: () => boolean;
  /** What is to be settled again, because it is not known to be. */
  readonly unsettled: readonly Finished[];
  /** What went wrong. The rest holds what went well before. */
  readonly error?: unknown;
}

/** A drain's account in Redis, one pipeline at a time. */
export interface Ledger {
  /** Settles and claims, in this order, in one pipeline. Never throws. */
  book(entry: Entry): Promise<Booked>;
}

/**
 * Opens the account of one drain. A pipeline with a claim is sent once; one that only settles may be repeated, and is.
 *
 * A claim under a clock that stays stale would lease what may not be started: none is sent then, `claim` is undefined.
 */
export function openLedger(parts: LedgerParts): Ledger {
  const { redis, keys, host, clock, notifyTimeoutMs } = parts;
  const drainToken = randomUUID();

  return {
    async book({ finished, places, inFlight, ends }) {
      const settled: Settled[] = [];
      let backlog: Backlog | undefined;
      let unsettled = finished;
      let mayStart = () => false;
      try {
        await clock.refresh(redis);
        mayStart = watchLease(parts, notifyTimeoutMs);
        const nowMs = clock.nowMs();
        const common = { nowMs, drainToken, notifyTimeoutMs };
        const settles = chunks(finished).map((chunk) =>
          settleCall(keys, {
            ...common,
            ends,
            ended: chunk.map(({ delivery, result, endedMonotonicMs }) => ({
              delivery,
              result,
              endedAt: nowMs - Math.floor(host.monotonicMs() - endedMonotonicMs),
            })),
            random: host.random,
          }),
        );
        if (settles.length === 0 && ends) {
          settles.push(settleCall(keys, { ...common, ends, ended: [], random: host.random }));
        }
        const claim: ClaimRequest | undefined =
          places > 0 && !clock.isStale()
            ? { ...common, claimToken: randomUUID(), places, inFlight }
            : undefined;
        const replies = await redis.send([...settles, ...(claim ? [claimCall(keys, claim)] : [])], {
          repeatable: claim === undefined,
        });
        for (const [i] of settles.entries()) {
          const reply = readSettleReply(replyOf(replies[i]));
          settled.push(...reply.settled);
          backlog = reply.backlog;
          unsettled = finished.slice((i + 1) * SETTLE_AT_MOST);
        }
        if (claim === undefined) return { settled, ...(backlog && { backlog }), mayStart, unsettled };
        const claimed = readClaimReply(replyOf(replies[settles.length]), claim);
        return { settled, backlog: claimed.backlog, claim: claimed, mayStart, unsettled };
      } catch (error) {
        return { settled, ...(backlog && { backlog }), mayStart, unsettled, error };
      }
    },
  };
}

function chunks(finished: readonly Finished[]): (readonly Finished[])[] {
  const parts: (readonly Finished[])[] = [];
  for (let from = 0; from < finished.length; from += SETTLE_AT_MOST) {
    parts.push(finished.slice(from, from + SETTLE_AT_MOST));
  }
  return parts;
}

/** @throws RedisReplyError what Redis answered instead of a reply. */
function replyOf(reply: Reply | RedisReplyError | undefined): Reply {
  if (reply instanceof RedisReplyError) throw reply;
  return reply ?? null;
}
