import type { Config } from '../config.ts';
import type { Host, Invocation } from '../host.ts';
import type { Address, AddressPolicy } from '../peers/address.ts';
import type { PostToPeer } from '../peers/post.ts';
import type { OpenedRound, PartName } from '../store/rounds.ts';
import { type Answer, readAnswer } from './answer.ts';
import { createPool, type Rank } from './pool.ts';
import type { StopReason } from './summary.ts';

/** A probe of one address: what came back, and when it began by the monotonic clock. */
export interface Probe {
  readonly answer: Answer;
  readonly beganMs: number;
}

/** The `/sync` calls of one round: bounded in number, at a time and in pace, and only while there is time for them. */
export interface Calls {
  /**
   * Waits for its turn and calls. `untried` if the round stops first. A call that can wait gets one start in ten until
   * `allPlanned`.
   */
  probe(address: Address, can?: 'wait'): Promise<Probe>;
  /** As `probe`, some seconds from now and before all first calls. `untried` at once if time or budget do not allow it. */
  probeAgain(address: Address): Promise<Probe>;
  /** Takes as many of the wanted first calls from the budget as are left, and answers how many. */
  take(wanted: number): number;
  /** First calls that may still be planned. Infinity without `SYNC_MAX_PROBES_PER_ROUND`. */
  readonly left: number;
  /** Whether a page may be read or a call started. Stops the round if not. */
  mayGoOn(): boolean | Promise<boolean>;
  /** Says that no further calls to consumers come: calls that can wait need not wait for them. */
  allPlanned(): void;
  /** Why the round stops, if it does: the first reason, or that the lease is lost, after which nothing is written. */
  readonly stopped: StopReason | undefined;
  stop(reason: StopReason): void;
}

const NOT_MADE: Probe = { answer: { kind: 'untried', local: false }, beganMs: Number.NaN };

/** A call leaves so much time after its deadline: 3 s for the IP sources, 2 s to write. */
const MARGIN_MS = 5_000;
/** How long a second call waits at least. */
export const AGAIN_AFTER_MS = 3_000;
/** The same behind a home router: by then its table has forgotten the first calls of the round, if it was full. */
const AGAIN_AFTER_ON_HOST_MS = 12_000;
/** Second calls are spread over so long, so that they come in random order. */
export const AGAIN_WITHIN_MS = 1_000;
/** Of a limited budget, what is kept for second calls: without one there is no verdict. */
const KEPT_FOR_SECOND = 0.1;
/** A home router's table of connections bears so many starts a second. */
const STARTS_A_SECOND = 30;
/** Of the time between two rounds, or of the invocation's, so much may be taken to spread a round. */
const SPREAD_OVER = 0.8;

export interface CallsOptions {
  readonly config: Pick<Config, 'localUuid' | 'sync'>;
  readonly policy: AddressPolicy;
  readonly post: PostToPeer;
  readonly host: Host;
  readonly invocation: Invocation;
  readonly part: PartName;
  readonly opened: Pick<OpenedRound, 'lease' | 'consumers'>;
  /** Whether calls are spread over time; on Lambda, where waiting is billed, they are not. */
  readonly spread: boolean;
}

export function createCalls({
  config: { localUuid, sync },
  policy,
  post,
  host,
  invocation,
  part,
  opened: { lease, consumers },
  spread,
}: CallsOptions): Calls {
  const { timeoutMs } = sync;
  const { signal } = invocation;
  const body = JSON.stringify({ uuid: localUuid });
  const total = shareOf(sync.maxProbes, part);
  const kept = Number.isFinite(total) ? Math.floor(total * KEPT_FOR_SECOND) : 0;
  let left = total;
  let stopped: StopReason | undefined;
  const stopping = new AbortController();
  const over = AbortSignal.any([signal, stopping.signal]);

  const stop = (reason: StopReason) => {
    if (stopped === undefined || reason === 'lease') stopped = reason;
    stopping.abort();
  };
  const refuse = (reason: StopReason) => {
    stop(reason);
    return false;
  };
  const hasTime = (ms: number) => !signal.aborted && invocation.remainingMs() >= ms;
  const mayGoOn = () => {
    if (stopped !== undefined) return false;
    const needMs = timeoutMs + MARGIN_MS;
    if (!hasTime(needMs)) return refuse('time');
    return lease.leftMs() >= needMs || lease.renew().then((leftMs) => leftMs >= needMs || refuse('lease'));
  };

  const pool = createPool({
    limit: sync.concurrency,
    gate: mayGoOn,
    everyMs: spread ? paceMs(consumers / part.of, Math.min(sync.intervalMs, invocation.remainingMs())) : 0,
    host,
    signal: over,
  });

  const probe = async (address: Address, can?: Rank): Promise<Probe> => {
    let made = NOT_MADE;
    await pool.run(async () => {
      const beganMs = host.monotonicMs();
      const answer = readAnswer(await post({ address, path: '/sync', body, timeoutMs, signal }), policy);
      made = { answer, beganMs };
      if (answer.kind !== 'untried') return;
      if (answer.local) pool.slowDown();
      else stop('time');
    }, can);
    return made;
  };

  return {
    probe,
    async probeAgain(address) {
      const waitMs = (spread ? AGAIN_AFTER_ON_HOST_MS : AGAIN_AFTER_MS) + host.random() * AGAIN_WITHIN_MS;
      if (left < 1 || stopped !== undefined || !hasTime(waitMs + timeoutMs + MARGIN_MS)) return NOT_MADE;
      left -= 1;
      await host.sleep(waitMs, over);
      return probe(address, 'overtake');
    },
    take(wanted) {
      const taken = Math.max(0, Math.min(wanted, left - kept));
      left -= taken;
      return taken;
    },
    get left() {
      return Math.max(0, left - kept);
    },
    mayGoOn,
    allPlanned: () => pool.othersHaveCome(),
    get stopped() {
      return stopped;
    },
    stop,
  };
}

/** A shard's equal part of `SYNC_MAX_PROBES_PER_ROUND`; the parts of all shards add up to it. */
export function shareOf(maxProbes: number, { shard, of }: PartName): number {
  return Number.isFinite(maxProbes) ? Math.floor((maxProbes + of - 1 - shard) / of) : maxProbes;
}

/** Milliseconds from one start to the next, for so many calls within so much time. */
export function paceMs(calls: number, withinMs: number): number {
  const needed = (calls * 1_000) / (withinMs * SPREAD_OVER);
  return 1_000 / Math.max(STARTS_A_SECOND, needed);
}
