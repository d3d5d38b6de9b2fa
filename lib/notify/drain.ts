import type { Config } from '../config.ts';
import type { Host, Invocation } from '../host.ts';
import type { Epoch } from '../ip/register.ts';
import type { AddressPolicy } from '../peers/address.ts';
import type { PostToPeer } from '../peers/post.ts';
import type { RedisClock } from '../redis/clock.ts';
import type { Redis } from '../redis/redis.ts';
import type { Keys } from '../store/keys.ts';
import { createBudget } from './budget.ts';
import { createCalls, type Finished } from './calls.ts';
import type { ClaimReply } from './claim.lua.ts';
import { openLedger } from './ledger.ts';
import { type Counts, createTally } from './tally.ts';

export interface DrainParts {
  readonly config: Pick<Config, 'localUuid' | 'notify' | 'peers'>;
  readonly redis: Redis;
  readonly keys: Keys;
  readonly policy: AddressPolicy;
  readonly post: PostToPeer;
  readonly host: Host;
  /** Has been read at least once. */
  readonly clock: RedisClock;
  readonly invocation: Invocation;
}

/** Why a drain ended. Except for `idle` and `taken`, the next run takes up what is left. */
export type DrainEnd =
  | 'idle' // nothing is due any more
  | 'taken' // another drain is at it
  | 'no-address' // the register has no current IP
  | 'out-of-time' // the invocation's time is used up, or a lease's was before its request could start
  | 'slow-redis' // Redis took over 2 s to tell its time, twice: no lease could be trusted
  | 'failed'; // Redis failed it

export interface DrainReport {
  readonly end: DrainEnd;
  /** The epoch of the last claim. */
  readonly epoch: Epoch | undefined;
  readonly counts: Counts;
  /** Why it `failed`. What could be settled has been. */
  readonly failure?: unknown;
}

/** The longest that a result waits for the next claim's pipeline. */
const SETTLE_WITHIN_MS = 250;
/** Of an invocation that was aborted, the time kept for settling what its requests came to. */
const HAND_BACK_MS = 2_000;

/**
 * Delivers what is due until nothing is, with at most `NOTIFY_CONCURRENCY` requests in flight. A claim is sent when a
 * quarter of the places is free or nothing is in flight, and the settle of what has ended goes with it.
 *
 * A claim whose reply is lost ends the claiming: what it took is leased to nobody, and is taken up when the lease ends. So
 * does a delivery whose request may not start any more: it is handed back and not claimed again by this invocation. What
 * is in flight is always waited for and settled; it was started with 5 s more in hand than it may take.
 *
 * Never throws; `failure` holds what it would have thrown.
 */
export async function drain(parts: DrainParts): Promise<DrainReport> {
  const { host, invocation } = parts;
  const { concurrency, timeoutMs: notifyTimeoutMs } = parts.config.notify;
  const quarter = Math.ceil(concurrency / 4);
  const budget = createBudget(invocation, host, notifyTimeoutMs);
  const ledger = openLedger({ ...parts, budget, notifyTimeoutMs });
  const tally = createTally();
  const over = new AbortController();

  let finished: Finished[] = [];
  /** Places that became free since the last claim; `more` is what that claim left due. */
  let freed = concurrency;
  let more = false;
  let end: DrainEnd | undefined;
  let epoch: Epoch | undefined;
  let failure: unknown;
  let mayHoldLease = false;

  const stop = (why: DrainEnd, error?: unknown) => {
    end ??= why;
    failure ??= error;
  };
  const calls = createCalls(
    {
      ...parts,
      localUuid: parts.config.localUuid,
      ownPort: parts.config.peers.port,
      timeoutMs: notifyTimeoutMs,
    },
    {
      onEnd(call) {
        freed += 1;
        tally.result(call.result);
        finished.push(call);
      },
      onCrash: (error) => stop('failed', error),
    },
  );

  const onClaim = (reply: ClaimReply, mayStart: () => boolean) => {
    tally.claim(reply);
    freed = 0;
    more = reply.more;
    epoch = reply.epoch ?? epoch;
    mayHoldLease = reply.state === 'claimed';
    if (reply.state !== 'claimed') stop(reply.state);
    for (const delivery of reply.deliveries) {
      if (reply.ip !== undefined && mayStart()) {
        calls.start(delivery, reply.ip, reply.previous);
      } else {
        stop(reply.ip === undefined ? 'no-address' : 'out-of-time');
        finished.push({ delivery, result: { kind: 'released' }, endedMonotonicMs: host.monotonicMs() });
      }
    }
  };

  const book = async (places: number, ends: boolean) => {
    const entry = { finished, places, inFlight: calls.inFlight > 0, ends };
    finished = [];
    mayHoldLease ||= places > 0;
    const booked = await ledger.book(entry);
    tally.settled(booked.settled, booked.backlog);
    finished = [...booked.unsettled, ...finished];
    if (booked.error !== undefined) stop('failed', booked.error);
    else if (booked.claim !== undefined) onClaim(booked.claim, booked.mayStart);
    else if (places > 0) stop('slow-redis');
  };

  const onAbort = () => {
    stop('out-of-time');
    calls.wake();
    host.sleep(Math.max(0, budget.leftMs() - HAND_BACK_MS), over.signal).then(calls.breakOff);
  };
  if (invocation.signal.aborted) onAbort();
  invocation.signal.addEventListener('abort', onAbort, { once: true });

  for (;;) {
    if (!budget.allowsClaim()) stop('out-of-time');
    const { inFlight } = calls;
    const free = concurrency - inFlight;
    const places = end === undefined && (inFlight === 0 || free >= quarter) ? free : 0;
    const claims = places > 0 && (inFlight === 0 || more || freed >= quarter);
    const settleIn = failure === undefined ? waitOf(finished, host.monotonicMs()) : undefined;

    if (claims || settleIn === 0) await book(places, false);
    else if (inFlight > 0) await calls.nextEvent(settleIn);
    else break;
  }
  if (finished.length > 0 || mayHoldLease) await book(0, true);

  over.abort();
  invocation.signal.removeEventListener('abort', onAbort);
  return {
    end: failure === undefined ? (end ?? 'idle') : 'failed',
    epoch,
    counts: tally.counts(),
    ...(failure !== undefined && { failure }),
  };
}

/** How long the oldest result may still wait to be settled; undefined where there is none. */
function waitOf([oldest]: readonly Finished[], monotonicMs: number): number | undefined {
  return oldest === undefined
    ? undefined
    : Math.max(0, oldest.endedMonotonicMs + SETTLE_WITHIN_MS - monotonicMs);
}
