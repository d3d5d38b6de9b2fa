import { loadConfig } from '../../lib/config.ts';
import type { Host, Invocation, Log } from '../../lib/host.ts';
import type { Source } from '../../lib/ip/sources.ts';
import type { AddressPolicy } from '../../lib/peers/address.ts';
import type { PostToPeer } from '../../lib/peers/post.ts';
import { type RoundSummary, runSync, type SyncParts } from '../../lib/sync/round.ts';
import type { Random } from '../chaos/random.ts';
import type { EventLoop } from './event-loop.ts';
import type { Member } from './member.ts';

/** The time limit of a run of `sync`, as on Lambda. */
const RUN_LIMIT_MS = 240_000;

export interface SchedulerOptions {
  readonly intervalMs: number;
  readonly maxProbes: number | undefined;
  /** Whether it runs on a host, which spreads its calls over time. */
  readonly spread: boolean;
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
  const { intervalMs, maxProbes, spread, policy, loop, startMs, post, source, random, log } = options;
  const config = loadConfig({
    LOCAL_UUID: member.uuid,
    REDIS_URL: 'redis://simulated.invalid',
    SYNC_INTERVAL_MS: String(intervalMs),
    ...(maxProbes === undefined ? {} : { SYNC_MAX_PROBES_PER_ROUND: String(maxProbes) }),
  });
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
        loop.after(ms, resolve);
      }),
  };
  const parts: SyncParts = {
    config,
    openRoundStore: () => member.database.openStore(host),
    policy,
    post,
    sourcesOf: (family) => (family === 4 ? [source] : []),
    spread,
    invoke: async () => {
      throw new Error('A simulated round is not split.');
    },
    host,
    log,
  };
  let rounds = 0;
  return () => {
    const endMs = loop.nowMs + RUN_LIMIT_MS;
    rounds += 1;
    const invocation: Invocation = {
      requestId: `round-${rounds}`,
      signal: new AbortController().signal,
      remainingMs: () => endMs - loop.nowMs,
    };
    return runSync({}, invocation, parts);
  };
}
