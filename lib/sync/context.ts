import type { Config } from '../config.ts';
import type { Host, Invocation, Log } from '../host.ts';
import type { Outcome } from '../http/outcome.ts';
import type { Address, AddressPolicy } from '../peers/address.ts';
import type { PostToPeer } from '../peers/post.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { RedisClock } from '../redis/clock.ts';
import type { Redis } from '../redis/redis.ts';
import type { Keys } from '../store/keys.ts';
import type { Budget } from './budget.ts';
import type { RoundTime } from './health.ts';
import type { HeardBuffer } from './heard.ts';
import type { Hold } from './hold.ts';
import type { OutageCheck } from './outage.ts';
import type { Pool } from './pool.ts';
import type { StopReason, Tally } from './summary.ts';

/** Which part of a round runs here. An unsplit round is shard 0 of 1. */
export interface Part {
  readonly round: string;
  readonly shard: number;
  readonly of: number;
  /** When the round began, by Redis's clock. */
  readonly at: number;
}

/** What the parts of a running round share. */
export interface RoundContext {
  readonly config: Config;
  readonly redis: Redis;
  readonly keys: Keys;
  readonly policy: AddressPolicy;
  readonly host: Host;
  readonly log: Log;
  readonly clock: RedisClock;
  /** By Redis's clock, and never before the round began: what it probes is known to belong to it. */
  nowMs(): number;
  /** A time after all that `nowMs` has told, which from now on tells none before it. */
  afterNowMs(): number;
  readonly invocation: Invocation;
  readonly part: Part;
  readonly time: RoundTime;
  readonly hold: Hold;
  /** Whether a page may be read, or a probe started. */
  readonly gate: () => boolean | Promise<boolean>;
  readonly pool: Pool;
  readonly budget: Budget;
  readonly progress: Progress;
  readonly heard: HeardBuffer;
  readonly outage: OutageCheck;
  readonly tally: Tally;
  /** Whether a peer is ourselves: our UUID, or our address, the current or the previous one. */
  isOurs(uuid: Uuid, address: Address): boolean;
  /** Makes one `/sync` call. */
  probe(address: Address): Promise<Outcome>;
}

/** What decides whether a round goes on. */
export interface Progress {
  /** Why it stops, if it does: it then starts no probe and reads no page any more. The first reason stays. */
  readonly stopped: StopReason | undefined;
  stop(reason: StopReason): void;
  inconclusive: boolean;
  /** When a probe last succeeded, by the monotonic clock; -Infinity if none has. */
  lastSuccessMs: number;
}

export function createProgress(): Progress {
  let stopped: StopReason | undefined;
  return {
    get stopped() {
      return stopped;
    },
    stop(reason) {
      stopped ??= reason;
    },
    inconclusive: false,
    lastSuccessMs: Number.NEGATIVE_INFINITY,
  };
}

/** Kept back of the invocation's time: 3 s for the IP sources, 2 s to write, 1 s for the host to wind up. */
export const STOP_MARGIN_MS = 6_000;

/** Whether a probe may start: the round goes on, there is time to finish it, and the lease is surely ours. */
export function createGate({
  invocation,
  hold,
  progress,
  timeoutMs,
}: {
  invocation: Invocation;
  hold: Hold;
  progress: Progress;
  timeoutMs: number;
}): () => boolean | Promise<boolean> {
  const refuse = (reason: StopReason) => {
    progress.stop(reason);
    return false;
  };
  return () => {
    if (progress.stopped !== undefined) return false;
    if (invocation.signal.aborted || invocation.remainingMs() < timeoutMs + STOP_MARGIN_MS)
      return refuse('time');
    return hold.sure() || hold.ensure().then((sure) => sure || refuse('lease'));
  };
}

/** The `/sync` call of a run; its body is always the same. */
export function createProbe(
  post: PostToPeer,
  { localUuid, timeoutMs, signal }: { localUuid: Uuid; timeoutMs: number; signal: AbortSignal },
): (address: Address) => Promise<Outcome> {
  const body = JSON.stringify({ uuid: localUuid });
  return (address) => post({ address, path: '/sync', body, timeoutMs, signal });
}
