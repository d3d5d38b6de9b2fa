import { loadConfig } from '../../lib/config.ts';
import type { Host, Log } from '../../lib/host.ts';
import type { Source } from '../../lib/ip/sources.ts';
import type { AddressPolicy } from '../../lib/peers/address.ts';
import type { PostToPeer } from '../../lib/peers/post.ts';
import type { SyncParts } from '../../lib/sync/context.ts';
import { runSync } from '../../lib/sync/round.ts';
import type { RoundSummary } from '../../lib/sync/summary.ts';
import type { Random } from '../chaos/random.ts';
import { invocation } from '../support/clock.ts';
import type { EventLoop } from './event-loop.ts';
import type { Member } from './member.ts';
import type { Stretch } from './network.ts';

/** The time limit of a run of `sync`, as on Lambda. */
const RUN_LIMIT_MS = 240_000;
/** A stall begins within so long of a round's start, while its first calls are under way. */
const STALLS_WITHIN_MS = 300;

export interface SchedulerOptions {
  readonly intervalMs: number;
  readonly maxProbes: number | undefined;
  /** Whether it runs on a host, which spreads its calls over time. */
  readonly spread: boolean;
  /** For how long the process stops in each round: what was to happen then happens at its end. */
  readonly stallMs: number | undefined;
  readonly policy: AddressPolicy;
  readonly loop: EventLoop;
  readonly startMs: number;
  readonly post: PostToPeer;
  readonly source: Source;
  readonly random: Random;
  readonly log: Log;
}

/** The production round of one member, with the simulated world in the place of machine, network and Redis. */
export function createScheduler(member: Member, options: SchedulerOptions): () => Promise<RoundSummary> {
  const { intervalMs, maxProbes, spread, stallMs, policy, loop, startMs, post, source, random, log } =
    options;
  const config = loadConfig({
    LOCAL_UUID: member.uuid,
    REDIS_URL: 'redis://simulated.invalid',
    SYNC_INTERVAL_MS: String(intervalMs),
    ...(maxProbes === undefined ? {} : { SYNC_MAX_PROBES_PER_ROUND: String(maxProbes) }),
  });
  let stall: Stretch | undefined;
  /** Waits until the process runs, if it does not. */
  const awake = async <Value>(value: Value): Promise<Value> => {
    if (stall !== undefined && loop.nowMs >= stall.from && loop.nowMs < stall.to) {
      const leftMs = stall.to - loop.nowMs;
      await new Promise<void>((resolve) => loop.after(leftMs, resolve));
    }
    return value;
  };
  const host: Host = {
    monotonicMs: () => loop.nowMs - startMs,
    wallMs: () => loop.nowMs,
    random: random.next,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        // A process that has ended does not wake up: what it kept renewing expires.
        if (member.goneMs !== undefined) return;
        if (signal?.aborted) return resolve();
        signal?.addEventListener('abort', () => resolve(), { once: true });
        loop.after(ms, () => void awake(undefined).then(resolve));
      }),
  };
  const parts: SyncParts = {
    config,
    openRoundStore: () => member.database.openStore(host),
    policy,
    post: (call) => post(call).then(awake),
    sourcesOf: (family) =>
      family === 4 ? [{ ...source, ask: (signal) => source.ask(signal).then(awake) }] : [],
    spread,
    invoke: async () => {
      throw new Error('A simulated round is not split.');
    },
    host,
    log,
  };
  return () => {
    const endMs = loop.nowMs + RUN_LIMIT_MS;
    if (stallMs !== undefined) {
      const from = loop.nowMs + random.next() * STALLS_WITHIN_MS;
      stall = { from, to: from + stallMs };
    }
    return runSync({}, invocation({ remainingMs: () => endMs - loop.nowMs }), parts);
  };
}
