import type { Config } from '../config.ts';
import type { Host, Invocation, Invoke, Log } from '../host.ts';
import type { Source } from '../ip/vote.ts';
import { type Address, type AddressPolicy, addressKey } from '../peers/address.ts';
import { parseIp } from '../peers/ip-space.ts';
import type { PostToPeer } from '../peers/post.ts';
import type { Uuid } from '../peers/uuid.ts';
import { createRedisClock, type RedisClock } from '../redis/clock.ts';
import type { Redis, Reply } from '../redis/redis.ts';
import type { Keys } from '../store/keys.ts';
import { createBudget } from './budget.ts';
import { probeCandidates } from './candidates.ts';
import { createGate, createProbe, createProgress, type Part, type RoundContext } from './context.ts';
import { parseSyncEvent } from './event.ts';
import { createHeardBuffer } from './heard.ts';
import { keepLease } from './hold.ts';
import { type OpenRound, openRound } from './open.ts';
import { createOutageCheck } from './outage.ts';
import { createPool } from './pool.ts';
import { otherShards } from './shard.ts';
import { createTally, type RoundSummary, type StopReason, type Tally } from './summary.ts';
import { walkPages } from './walk.ts';

export type { RoundSummary } from './summary.ts';

/** What a round needs. */
export interface SyncParts {
  readonly config: Config;
  readonly redis: Redis;
  readonly keys: Keys;
  readonly policy: AddressPolicy;
  readonly post: PostToPeer;
  readonly sources: readonly Source[];
  readonly invoke: Invoke;
  readonly host: Host;
  readonly log: Log;
}

/**
 * One round of synchronization, or the shard of one that the event names: calls every consumer that is due, writes what
 * it found out, and learns of others. At most one at a time runs, others answer that they did nothing. It ends in the
 * invocation's time; what it could not do the next round does.
 *
 * @throws EventError, IdentityError; RedisUnavailableError or RedisReplyError after what was probed has been written, if
 * that was possible.
 */
export async function runSync(
  event: unknown,
  invocation: Invocation,
  parts: SyncParts,
): Promise<RoundSummary> {
  const { host, log } = parts;
  const asked = parseSyncEvent(event);
  const startedMs = host.monotonicMs();
  const tally = createTally();
  const redis = countCommands(parts.redis, tally);
  const clock = createRedisClock(host);
  const summarize = (
    part: Part,
    end: { complete: boolean; inconclusive: boolean; stopped?: StopReason },
    resumed = false,
  ) =>
    ({
      round: part.round,
      shard: part.shard,
      of: part.of,
      at: part.at,
      ...end,
      resumed,
      ...tally,
      durationMs: Math.round(host.monotonicMs() - startedMs),
    }) satisfies RoundSummary;

  const opened = await openRound(asked, invocation, { ...parts, redis, clock });
  if (opened.kind === 'skipped') {
    log.info('The round does nothing', { reason: opened.reason, shard: opened.part.shard });
    return summarize(opened.part, { complete: false, inconclusive: false, stopped: opened.reason });
  }
  if (opened.unusable.length > 0) {
    log.warn('Keys of another type than ours were left alone; delete or rename them', {
      keys: opened.unusable,
    });
  }

  const context = createContext(opened, { invocation, redis, clock, tally }, parts);
  const { hold, progress, part } = context;
  const resumed = opened.start.passAt < part.at;
  const summarizeEnd = ({ complete }: { complete: boolean }) => {
    const { stopped, inconclusive } = progress;
    return summarize(
      part,
      { complete, inconclusive, ...(stopped === undefined ? {} : { stopped }) },
      resumed,
    );
  };
  try {
    const starting = part.shard === 0 ? startShards(part, parts, tally) : undefined;
    let failure: unknown;
    try {
      await probeCandidates(opened.candidates, context);
    } catch (error) {
      failure = error;
      progress.stop('error');
    }
    await starting;
    const end = await walkPages(opened.start, context, (walked) => summarizeEnd(walked));
    const { self: _, repeated: __, ...unusable } = tally.skipped;
    if (Object.keys(unusable).length > 0) {
      log.warn('Entries that cannot be used were skipped', { key: parts.keys.consumers, reasons: unusable });
    }
    if (progress.stopped === 'error') throw failure ?? end.failure;
    return summarizeEnd(end);
  } finally {
    await hold.end();
  }
}

function createContext(
  { part, token, takenMs, ownIps }: OpenRound,
  run: { invocation: Invocation; redis: Redis; clock: RedisClock; tally: Tally },
  { config, keys, policy, post, sources, host, log }: SyncParts,
): RoundContext {
  const { localUuid, sync, peers } = config;
  const { invocation, redis, clock } = run;
  const hold = keepLease({ redis, host, clock }, { key: keys.lease(`sync:${part.shard}`), token, takenMs });
  let notBeforeMs = part.at;
  const nowMs = () => Math.max(clock.nowMs(), notBeforeMs);
  const progress = createProgress();
  const gate = createGate({ invocation, hold, progress, timeoutMs: sync.timeoutMs });
  return {
    ...run,
    nowMs,
    afterNowMs() {
      notBeforeMs = nowMs() + 1;
      return notBeforeMs;
    },
    config,
    keys,
    policy,
    host,
    log,
    part,
    time: { at: part.at, intervalMs: sync.intervalMs },
    hold,
    progress,
    gate,
    pool: createPool(sync.concurrency, gate),
    budget: createBudget(sync.maxProbes, part),
    heard: createHeardBuffer(host.random),
    outage: createOutageCheck(sources, host),
    isOurs: ownPeer(localUuid, ownIps, peers.port),
    probe: createProbe(post, { localUuid, timeoutMs: sync.timeoutMs, signal: invocation.signal }),
  };
}

function ownPeer(localUuid: Uuid, ownIps: readonly Reply[], port: number) {
  const ips = ownIps.map(parseIp).filter((ip) => ip !== undefined);
  const own = new Set(ips.map((ip) => addressKey(ip, port)));
  return (uuid: Uuid, address: Address) => uuid === localUuid || own.has(address.key);
}

/** Starts the other shards of a round. One that cannot be started is simply due in the next round. */
async function startShards(
  { round, at, of }: Part,
  { config, invoke, log }: SyncParts,
  tally: Tally,
): Promise<void> {
  const { functionName } = config.sync;
  if (functionName === undefined) return;
  await Promise.all(
    otherShards(round, at, of).map(async (shard) => {
      try {
        await invoke(functionName, shard);
        tally.shardsStarted += 1;
      } catch (error) {
        tally.shardsLost += 1;
        log.warn('A shard of the round could not be started', { shard: shard.shard, of, error });
      }
    }),
  );
}

function countCommands(redis: Redis, tally: Tally): Redis {
  return {
    send(requests, options) {
      tally.commands += requests.length;
      return redis.send(requests, options);
    },
    close: () => redis.close(),
  };
}
