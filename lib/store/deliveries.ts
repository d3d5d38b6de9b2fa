import { randomUUID } from 'node:crypto';
import { RedisReplyError } from '../errors.ts';
import { type Host, startStopwatch } from '../host.ts';
import { type Epoch, parseEpoch } from '../ip/register.ts';
import { type Ip, parseIp } from '../peers/ip-space.ts';
import { MAX_AHEAD_MS, type RedisClock } from '../redis/clock.ts';
import type { Redis, Reply } from '../redis/redis.ts';
import { SETTLE_AND_CLAIM } from './deliveries.lua.ts';
import { leaseMs } from './delivery-record.ts';
import type { Keys } from './keys.ts';
import { listOf, repliesTo } from './replies.ts';

/** A delivery that a claim gave us, with all that its settle needs. */
export interface Claimed {
  readonly uuid: string;
  /** The very string that `producers` held. */
  readonly rawAddress: string;
  /** The token of this claim alone. It is never used again. */
  readonly token: string;
  /** The address to tell, and its epoch. They were read in the same moment as the delivery. */
  readonly ip: Ip;
  readonly epoch: Epoch;
  /** Redis's time right before the claim was sent, ms. */
  readonly claimedAt: number;
  /** Attempts of this epoch before this one. */
  readonly attempts: number;
  /** When the first attempt of this epoch was claimed, ms. */
  readonly firstAt: number;
  /**
   * How much of the lease is left, ms. It is 0 once Redis's time is in doubt: after a freeze, or once it was read again.
   */
  leaseLeftMs(): number;
}

/** What became of a claimed delivery. */
export type Result =
  | { readonly kind: 'acknowledged'; readonly status: number }
  | {
      readonly kind: 'failed';
      /** An HTTP status in digits, or a class like `timeout`. It goes into the record. */
      readonly status: string;
      /** The request may still take effect: its bytes may have left, and no complete reply came. */
      readonly ambiguous: boolean;
      /** When to try again, if its epoch is still the current one. */
      readonly retryInMs: number;
    }
  /** No request was made, so this was no attempt. It is due at once, or after `retryInMs` with `status` as the reason. */
  | { readonly kind: 'released'; readonly later?: { readonly status: string; readonly retryInMs: number } };

/** A delivery whose attempt has ended. */
export interface Ended {
  readonly delivery: Claimed;
  readonly result: Result;
  /** When it ended, by the host's monotonic clock. */
  readonly endedMonotonicMs: number;
}

/**
 * What a settle made of a delivery. `told`: it was acknowledged and is done. `again`: it was acknowledged, but an attempt
 * with an older address may still arrive, so it is told once more. `moved`: it was acknowledged at an address that is no
 * longer the producer's. `older`: the attempt was of an epoch that has passed. `retry`: it failed and is tried again.
 * `stale`: the claim no longer held it, or this was settled before.
 */
export type Settled = (typeof SETTLED)[number];
const SETTLED = ['told', 'again', 'moved', 'older', 'retry', 'released', 'stale'] as const;

/** What is left in `deliveries:due`, leased deliveries included. */
export interface Backlog {
  readonly remaining: number;
  /** When the first of them is looked at, ms. */
  readonly nextDueAt?: number;
}

/** What a claim found. */
export interface Claim {
  /**
   * `claimed`: `deliveries` are ours, perhaps none. `idle`: nothing is due and we hold nothing, so the drain's lease was
   * given up. `taken`: another drain holds that lease. `no-address`: the register has no address that could be told. If
   * the script took it for one, what it claimed waits for the end of its lease.
   */
  readonly state: 'claimed' | 'idle' | 'taken' | 'no-address';
  readonly epoch: Epoch | undefined;
  readonly deliveries: readonly Claimed[];
  /** Deliveries that were postponed because `producers` does not hold their producer. */
  readonly missing: number;
  /** Deliveries that were put off for an hour because their uuid or address can be nobody's. */
  readonly unusable: number;
}

export interface Turn {
  /** What has ended. It may have been settled before. */
  readonly ended: readonly Ended[];
  /** `claim`: up to so many more, while the drain goes on holding so many others. `end`: the drain ends with this. */
  readonly next: { readonly claim: number; readonly holding: number } | 'settle' | 'end';
}

export interface TurnReply {
  /** One for each of `ended`, in its order. */
  readonly settled: readonly Settled[];
  /** Absent if none was asked for, or if Redis is too slow: no lease could be trusted then, so nothing was claimed. */
  readonly claim?: Claim;
  /** Whether more was due at that moment. */
  readonly more: boolean;
  /** Absent while the drain goes on. */
  readonly backlog?: Backlog;
  /** From the commit of the current address to the last acknowledgement of it, ms. */
  readonly toldAfterMs?: number;
}

/** The deliveries in Redis, for one drain. */
export interface DeliveryStore {
  /** Redis's time, ms. */
  nowMs(): number;
  /**
   * Settles what has ended and claims more, in one script.
   *
   * With a claim it is sent *once*. If its reply does not come, some deliveries may be leased to nobody. They are taken up
   * as ambiguous when their lease ends. To settle may be repeated, and is: a settle counts only while the record holds the
   * token of the claim, and takes the token out. A late settle counts as long as nobody has taken the delivery over.
   *
   * @throws RedisUnavailableError if no answer arrived. `ended` is to be settled again.
   * @throws RedisReplyError if a key holds the wrong type: nothing was written.
   */
  settleAndClaim(turn: Turn): Promise<TurnReply>;
}

export interface DeliveryStoreParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly host: Pick<Host, 'monotonicMs' | 'wallMs'>;
  /** Of a run that has made sure whose Redis it is. */
  readonly clock: RedisClock;
  readonly notifyTimeoutMs: number;
  /** What this drain writes into `lease:notify`. Default: a token of its own. */
  readonly drainToken?: string;
}

/** The deliveries for one drain. */
export function createDeliveryStore({
  redis,
  keys,
  host,
  clock,
  notifyTimeoutMs,
  drainToken = randomUUID(),
}: DeliveryStoreParts): DeliveryStore {
  return {
    nowMs: clock.nowMs,
    async settleAndClaim({ ended, next }) {
      await clock.refresh(redis);
      const { readings } = clock;
      const elapsedMs = startStopwatch(host);
      const nowMs = clock.nowMs();
      const claims = typeof next === 'object' && !clock.isStale();
      const claimToken = randomUUID();
      const [reply] = await repliesTo(
        redis,
        [
          {
            script: SETTLE_AND_CLAIM,
            keys: [keys.due, keys.deliveries, keys.producers, keys.ip, keys.lease('notify')],
            args: [
              nowMs,
              drainToken,
              leaseMs(notifyTimeoutMs),
              claims ? 'claim' : next === 'end' ? 'end' : 'settle',
              claimToken,
              claims ? next.claim : 0,
              claims && next.holding > 0 ? 1 : 0,
              ...ended.flatMap((one) => argsOf(one, nowMs, host.monotonicMs())),
            ],
          },
        ],
        { repeatable: !claims },
      );
      const leaseLeftMs = () =>
        clock.readings === readings && !clock.isStale() ? leaseMs(notifyTimeoutMs) - elapsedMs() : 0;
      const { claim, ...rest } = readReply(reply, { token: claimToken, claimedAt: nowMs, leaseLeftMs });
      return claims ? { ...rest, claim } : rest;
    },
  };
}

function argsOf(
  { delivery, result, endedMonotonicMs }: Ended,
  nowMs: number,
  monotonicMs: number,
): (string | number)[] {
  const { uuid, token, epoch, rawAddress, claimedAt } = delivery;
  const claim = [uuid, token, epoch, rawAddress, claimedAt];
  switch (result.kind) {
    case 'released':
      return [...claim, 'released', result.later?.status ?? '', '', result.later?.retryInMs ?? -MAX_AHEAD_MS];
    case 'acknowledged':
      return [...claim, 'acknowledged', result.status, '', 0];
    case 'failed': {
      const endedAt = nowMs - Math.max(0, Math.floor(monotonicMs - endedMonotonicMs));
      return [...claim, 'failed', result.status, result.ambiguous ? endedAt : '', result.retryInMs];
    }
  }
}

const STATES = ['claimed', 'idle', 'taken', 'no-address'] as const;

function readReply(
  reply: Reply | undefined,
  claimedBy: Pick<Claimed, 'token' | 'claimedAt' | 'leaseLeftMs'>,
): TurnReply & { readonly claim: Claim } {
  const [head = [], answers = [], claimed = []] = listOf(reply).map((part) => listOf(part).map(String));
  const [rawState, rawIp, rawEpoch, more, missing, unusable, remaining, nextDueAt, since, lastAck] = head;
  const state = STATES.find((one) => one === rawState);
  const settled = answers.flatMap((answer) => SETTLED.filter((one) => one === answer));
  if (state === undefined || settled.length !== answers.length) {
    throw new RedisReplyError('ERR unexpected reply from the script settle-and-claim');
  }
  const ip = parseIp(rawIp);
  const epoch = parseEpoch(rawEpoch);
  const deliveries: Claimed[] = [];
  for (let i = 0; ip !== undefined && epoch !== undefined && i < claimed.length; i += 4) {
    const [uuid = '', rawAddress = '', attempts, firstAt] = claimed.slice(i, i + 4);
    const counted = { attempts: Number(attempts), firstAt: Number(firstAt) };
    deliveries.push({ uuid, rawAddress, ip, epoch, ...counted, ...claimedBy });
  }
  return {
    claim: {
      state: state === 'claimed' && ip === undefined ? 'no-address' : state,
      epoch,
      deliveries,
      missing: Number(missing),
      unusable: Number(unusable),
    },
    settled,
    more: more === '1',
    ...(remaining && {
      backlog: {
        remaining: Number(remaining),
        ...(nextDueAt && { nextDueAt: Math.floor(Number(nextDueAt)) }),
      },
    }),
    ...(since && lastAck && { toldAfterMs: Math.max(0, Number(lastAck) - Number(since)) }),
  };
}
