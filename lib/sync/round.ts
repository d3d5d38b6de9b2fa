import { randomUUID } from 'node:crypto';
import type { Config } from '../config.ts';
import { ENDED_EARLY, type Invocation } from '../host.ts';
import type { Uuid } from '../peers/uuid.ts';
import { pageAt } from '../store/part-state.ts';
import type { OpenedRound, RoundStore } from '../store/rounds.ts';
import { createCandidateProbes, learn, settle } from './candidates.ts';
import { createRound, type Part, type Round, type SyncParts } from './context.ts';
import { tellCourse, warnOfUnusable } from './news.ts';
import { otherShards, parseSyncEvent, type SyncEvent, shardCount } from './shard.ts';
import { createTally, type RoundSummary, type StopReason, type Tally } from './summary.ts';
import { type Walked, walkPages } from './walk.ts';

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
  const { config, host, log } = parts;
  const asked = parseSyncEvent(event);
  const startedMs = host.monotonicMs();
  const store = parts.openRoundStore(invocation);
  try {
    const opened = await store.openRound({
      shard: asked.kind === 'shard' ? asked.shard : 0,
      ...(asked.kind === 'shard' ? { begun: { at: asked.at, withinMs: config.sync.intervalMs } } : {}),
    });
    const part = partOf(asked, invocation, opened, store, config);
    if (typeof opened === 'string') {
      log.info(SKIPPED[opened], { shard: part.shard });
      return summarize(part, { stopped: opened, store, tookMs: host.monotonicMs() - startedMs });
    }
    warnOfUnusable(log, opened.unusable);
    const round = createRound(part, opened, store, invocation, parts);
    return await carryOut(round, opened, parts, startedMs);
  } finally {
    await store.close();
  }
}

/** With less time than this left, the end of a round may not be reached: Redis may take 10 s for one command. */
const SHORT_MS = 30_000;

const SKIPPED = {
  held: 'Another round is running, so this one does nothing',
  late: 'This shard belongs to a round that began too long ago, so it does nothing',
};

/** A round is called after the run that began it, if that has a name which can be handed on. */
function partOf(
  event: SyncEvent,
  { requestId }: Invocation,
  opened: OpenedRound | 'held' | 'late',
  store: RoundStore,
  { sync }: Config,
): Part {
  if (event.kind === 'shard') return event;
  const maxShards = sync.functionName === undefined ? 1 : sync.maxShards;
  const { at, consumers } = typeof opened === 'string' ? { at: store.nowMs(), consumers: 0 } : opened;
  return {
    round: /^[\x21-\x7e]{1,128}$/.test(requestId) ? requestId : randomUUID(),
    at,
    shard: 0,
    of: shardCount(consumers, { ...sync, maxShards }),
  };
}

/** Candidates and consumers are probed side by side; what is written last ends the round. */
async function carryOut(
  round: Round,
  opened: OpenedRound,
  parts: SyncParts,
  startedMs: number,
): Promise<RoundSummary> {
  const { store, part, former, calls, findings, host, failures, attempt } = round;
  const { log } = parts;
  const { tally, news, discoveries } = findings;
  const start = former.position ?? pageAt('0', part.at);

  await attempt(() => wakeCalled(opened.called, round), undefined);
  const starting = part.shard === 0 ? startShards(part, parts, tally) : undefined;
  const probeCandidates = createCandidateProbes(round);
  const probing = attempt(() => probeCandidates(opened.candidates), []);
  const walked = await attempt(() => walkPages(start, round), {
    complete: false,
    rest: { health: [], state: former },
  });
  calls.allPlanned();
  discoveries.push(...(await probing));
  await starting;
  const { complete, rest } = await writeInTime(walked, round);

  // Candidates may have had no time left: they are not among those whom a round has to call.
  const isComplete = () => complete && failures.length === 0 && calls.stopped !== 'lease';
  const summaryNow = () =>
    summarize(part, {
      tally,
      store,
      complete: isComplete(),
      resumed: start.passAt < part.at,
      ...(calls.stopped === undefined ? {} : { stopped: calls.stopped }),
      mirror: findings.mirror.result(),
      tookMs: host.monotonicMs() - startedMs,
    });
  if (rest !== undefined) {
    await learn(round, probeCandidates, log);
    const settled = new Set<string>(await attempt(() => settle(round), []));
    const { forgotten: _, ...kept } = summaryNow();
    const written = await round.write({
      // Whom a pass that is complete did not come across is gone.
      state: { ...rest.state, worst: findings.worst.since(isComplete() ? start.passAt : 0) },
      health: rest.health.filter(({ field }) => !settled.has(field)),
      end: {
        summary: kept,
        ...(isComplete() || findings.introductions.full ? { reply: findings.introductions.result() } : {}),
      },
    });
    if (typeof written !== 'string') {
      tally.forgotten = written.forgotten;
      warnOfUnusable(log, written.unusable);
    }
  }
  news.tell(log);
  const summary = summaryNow();
  const endedEarly = round.invocation.signal.reason === ENDED_EARLY;
  tellCourse(log, summary, { outageBefore: former.outage, endedEarly });
  if (failures.length > 0) throw failures[0];
  return summary;
}

/**
 * Where little time is left, what was probed last is written before everything else. The run may be stopped before its end,
 * and the next one would make the same calls, and be stopped again.
 */
async function writeInTime(walked: Walked, { invocation, write }: Round): Promise<Walked> {
  const { complete, rest } = walked;
  if (rest === undefined || rest.health.length === 0 || invocation.remainingMs() > SHORT_MS) return walked;
  const written = await write(rest);
  if (written === 'failed') return walked;
  return { complete, rest: written === 'lease-lost' ? undefined : { ...rest, health: [] } };
}

/** The dead that called us are due from now on: the walk calls them in their turn, whichever shard and round that is. */
async function wakeCalled(called: readonly Uuid[], round: Round): Promise<void> {
  if (called.length === 0) return;
  const { store, former } = round;
  const health = (await store.findConsumers(called)).flatMap(({ field, health }) => {
    if (health?.state !== 'dead') return [];
    const { due: _, ...record } = health;
    return [{ field, record }];
  });
  if (health.length > 0) await round.write({ health, state: former });
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

function summarize(
  { round, shard, of, at }: Part,
  end: {
    readonly store: RoundStore;
    readonly tookMs: number;
    readonly tally?: Tally;
    readonly complete?: boolean;
    readonly resumed?: boolean;
    readonly stopped?: StopReason;
    readonly mirror?: RoundSummary['mirror'];
  },
): RoundSummary {
  const { tally = createTally(), complete = false, resumed = false, stopped, mirror, store, tookMs } = end;
  return {
    round,
    shard,
    of,
    at,
    complete,
    // A complete round was not cut short, even if there was no time left for those that it had just heard of.
    ...(stopped === undefined || complete ? {} : { stopped }),
    resumed,
    ...tally,
    ...(mirror === undefined ? {} : { mirror }),
    commands: store.commands,
    durationMs: Math.round(tookMs),
  };
}
