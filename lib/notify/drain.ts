import type { Config } from '../config.ts';
import type { Host, Invocation } from '../host.ts';
import type { Epoch } from '../ip/register.ts';
import type { AddressPolicy } from '../peers/address.ts';
import type { Ip } from '../peers/ip-space.ts';
import type { PostToPeer } from '../peers/post.ts';
import type { Claim, Claimed, DeliveryStore, Ended, Result, Turn } from '../store/deliveries.ts';
import { type AttemptResult, tellProducer } from './attempt.ts';
import { type Counts, countResult, countSettled, newCounts } from './counts.ts';
import { createThrottle, watchInvocation } from './limits.ts';

export interface DrainParts {
  readonly config: Pick<Config, 'localUuid' | 'notify' | 'peers'>;
  readonly store: DeliveryStore;
  readonly policy: AddressPolicy;
  readonly post: PostToPeer;
  readonly host: Host;
  readonly invocation: Invocation;
}

/** Why a drain ended. Except after `idle`, the next run takes up what is left. */
export type DrainEnd =
  | 'idle' // nothing is due any more
  | 'taken' // another drain is at work
  | 'no-address' // the register has no current address
  | 'out-of-time' // the invocation's time is used up, or a lease's time was before its request could start
  | 'slow-redis' // Redis took over 2 s to tell its time, twice: no lease could be trusted
  | 'local' // this machine could not make a single call
  | 'failed'; // Redis failed

export interface DrainReport {
  readonly end: DrainEnd;
  /** What was acknowledged last; undefined if nothing was. */
  readonly ip: Ip | undefined;
  /** Of the last claim. */
  readonly epoch: Epoch | undefined;
  readonly counts: Counts;
  /** From the start of the drain to the last acknowledgement that it got, ms. 0 if it got none. */
  readonly tookMs: number;
  /** From the commit of the current address to the last acknowledgement of it, ms. */
  readonly toldAfterMs: number | undefined;
  /** Why it `failed`. What could be settled has been. */
  readonly failure?: unknown;
}

/** A request must have this much more time than its own deadline, under its lease and in the invocation. */
export const START_MARGIN_MS = 5_000;
/** A claim must have this much more time than its requests: a round trip. */
const CLAIM_MS = 2_000;
/** The longest that a result waits for the next claim, to share its script. */
const SETTLE_WITHIN_MS = 250;
/** Of an invocation that was aborted, the time that is kept for settling what was in flight. */
const HAND_BACK_MS = 2_000;
/** A delivery whose request this machine failed to make twice is looked at again after a minute. */
const FAILED_HERE: Result = { kind: 'released', later: { status: 'local', retryInMs: 60_000 } };

/**
 * Delivers what is due until nothing is, with at most `NOTIFY_CONCURRENCY` requests in flight.
 *
 * It holds up to twice `NOTIFY_CONCURRENCY` deliveries: one half in flight, one half waiting. It claims again when less
 * than a quarter of `NOTIFY_CONCURRENCY` waits, and what has ended is settled with the claim. So a script moves at least
 * three quarters of `NOTIFY_CONCURRENCY` at a time, and the next requests do not wait for Redis. More than twice would
 * not be safe: with the longest timeout the last of them could not start before their lease is too short.
 *
 * A claim whose reply is lost ends the claiming, and so does a delivery whose request may not start any more: it is handed
 * back, and not claimed again by this invocation. What is in flight is always waited for and settled.
 *
 * Never throws; `failure` holds what it would have thrown.
 */
export async function drain(parts: DrainParts): Promise<DrainReport> {
  const { store, host, invocation, config } = parts;
  const { concurrency, timeoutMs } = config.notify;
  const leftMs = watchInvocation(invocation, host);
  const throttle = createThrottle(concurrency, host);
  const counts: Counts = newCounts();
  const broken = new AbortController();
  const over = new AbortController();
  const startedMs = host.monotonicMs();

  /** Deliveries whose request has not started, or not succeeded in starting. */
  const waiting: Claimed[] = [];
  /** This machine has failed to make their request before. */
  const failedHere = new Set<Claimed>();
  let ended: Ended[] = [];
  let inFlight = 0;
  /** Whether the last claim left something that is due. */
  let more = true;
  let mayHoldLease = false;
  let end: DrainEnd | undefined;
  let failure: unknown;
  let ip: Ip | undefined;
  let epoch: Epoch | undefined;
  let tookMs = 0;
  let toldAfterMs: number | undefined;
  let event = Promise.withResolvers<void>();

  const stop = (why: DrainEnd, error?: unknown) => {
    end ??= why;
    failure ??= error;
  };
  const settleLater = (delivery: Claimed, result: Result) => {
    if (result.kind === 'acknowledged') {
      tookMs = host.monotonicMs() - startedMs;
      ip = delivery.ip;
    }
    countResult(counts, result);
    ended.push({ delivery, result, endedMonotonicMs: host.monotonicMs() });
  };
  const handBack = () => {
    for (const delivery of waiting.splice(0)) settleLater(delivery, { kind: 'released' });
  };
  const mayStart = ({ leaseLeftMs }: Claimed) =>
    Math.min(leaseLeftMs(), leftMs()) >= timeoutMs + START_MARGIN_MS;

  const onResult = (delivery: Claimed, result: AttemptResult) => {
    if (result.kind !== 'local') {
      if (result.kind === 'released') stop('out-of-time');
      settleLater(delivery, result);
    } else if (!throttle.slowDown()) {
      stop('local');
      waiting.push(delivery);
      handBack();
    } else if (failedHere.has(delivery)) settleLater(delivery, FAILED_HERE);
    else {
      failedHere.add(delivery);
      waiting.push(delivery);
    }
  };

  const attempt = { ...parts, nowMs: store.nowMs, signal: broken.signal };
  const start = (delivery: Claimed) => {
    inFlight += 1;
    tellProducer(delivery, () => mayStart(delivery), attempt)
      // An error of our own: the delivery stays under its lease.
      .then(
        (result) => onResult(delivery, result),
        (error: unknown) => stop('failed', error),
      )
      .finally(() => {
        inFlight -= 1;
        startWaiting();
        event.resolve();
      });
  };
  const startWaiting = () => {
    while (inFlight < throttle.limit && throttle.pauseMs() === 0) {
      const one = waiting.shift();
      if (one === undefined) return;
      if (mayStart(one)) start(one);
      else {
        stop('out-of-time');
        settleLater(one, { kind: 'released' });
      }
    }
  };

  const onClaim = (claim: Claim) => {
    counts.claimed += claim.deliveries.length;
    counts.missing += claim.missing;
    counts.unusable += claim.unusable;
    epoch = claim.epoch ?? epoch;
    mayHoldLease = claim.state === 'claimed' || claim.state === 'no-address';
    if (claim.state !== 'claimed') stop(claim.state);
    waiting.push(...claim.deliveries);
    if (invocation.signal.aborted) handBack();
    startWaiting();
  };

  const turn = async (next: Turn['next']) => {
    const settling = ended;
    ended = [];
    mayHoldLease ||= typeof next === 'object';
    try {
      const reply = await store.settleAndClaim({ ended: settling, next });
      for (const settled of reply.settled) countSettled(counts, settled);
      Object.assign(counts, reply.backlog);
      toldAfterMs = reply.toldAfterMs ?? toldAfterMs;
      more = reply.more;
      if (reply.claim !== undefined) onClaim(reply.claim);
      else if (typeof next === 'object') stop('slow-redis');
    } catch (error) {
      ended = [...settling, ...ended];
      stop('failed', error);
    }
  };

  const onAbort = () => {
    stop('out-of-time');
    handBack();
    event.resolve();
    host.sleep(Math.max(0, leftMs() - HAND_BACK_MS), over.signal).then(() => broken.abort());
  };
  if (invocation.signal.aborted) onAbort();
  invocation.signal.addEventListener('abort', onAbort, { once: true });

  for (;;) {
    if (leftMs() < timeoutMs + START_MARGIN_MS + CLAIM_MS) stop('out-of-time');
    startWaiting();
    const holding = inFlight + waiting.length;
    const claims = end === undefined && (holding === 0 || (more && waiting.length < throttle.limit / 4));
    const [oldest] = ended;
    const settleInMs =
      oldest === undefined || failure !== undefined
        ? Number.POSITIVE_INFINITY
        : oldest.endedMonotonicMs + SETTLE_WITHIN_MS - host.monotonicMs();
    if (claims || settleInMs <= 0) {
      await turn(
        end === undefined ? { claim: Math.max(0, 2 * throttle.limit - holding), holding } : 'settle',
      );
    } else if (holding > 0) {
      const pauseMs = waiting.length > 0 ? throttle.pauseMs() : 0;
      await eventWithin(Math.min(settleInMs, pauseMs > 0 ? pauseMs : Number.POSITIVE_INFINITY));
    } else break;
  }
  if (ended.length > 0 || mayHoldLease) await turn('end');

  over.abort();
  invocation.signal.removeEventListener('abort', onAbort);
  return {
    end: failure === undefined ? (end ?? 'idle') : 'failed',
    ip,
    epoch,
    counts,
    tookMs,
    toldAfterMs,
    ...(failure !== undefined && { failure }),
  };

  /** Resolves when a request has ended since the last time, or the invocation is over, or after so long. */
  async function eventWithin(ms: number): Promise<void> {
    const timer = new AbortController();
    const timeout = Number.isFinite(ms) ? [host.sleep(Math.max(0, ms), timer.signal)] : [];
    await Promise.race([event.promise, ...timeout]);
    timer.abort();
    event = Promise.withResolvers<void>();
  }
}
