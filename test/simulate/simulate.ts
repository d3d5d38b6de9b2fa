import { createRandom } from '../chaos/random.ts';
import { DAY, HOUR, MINUTE } from '../support/clock.ts';
import { createEventLoop } from './event-loop.ts';
import { createFounders, introduce } from './founders.ts';
import { createHappenings, type Happenings } from './happenings.ts';
import type { PoisonResult } from './measures/poison.ts';
import type { SpreadResult } from './measures/spread.ts';
import type { VerdictsResult } from './measures/verdicts.ts';
import type { Member } from './member.ts';
import { createNetwork, type Stretch } from './network.ts';
import { INTERVAL_MS, type Scenario, type Window } from './options.ts';
import { createRoundCounter, type Rounds } from './rounds.ts';
import { createWatchers, type Watchers } from './watchers.ts';
import { createWorld, type World } from './world.ts';

/** Some moment; nothing depends on it. */
const START_MS = 1_764_000_000_000;
/** What happens has so long to come to its end. */
const QUIET_END_MS = 6 * INTERVAL_MS;
/** Once all know all, they have so long to find each other alive before anything happens. */
const QUIET_START_MS = 2 * INTERVAL_MS;

/** What a simulation came to: a function of the scenario. Times are simulated milliseconds; undefined is *not exercised*. */
export interface Report {
  readonly scenario: Scenario;
  readonly rounds: Rounds;
  /** From the start until the last founder knew the last other one; and the share of pairs that did at the end. */
  readonly allKnowAllMs: number | undefined;
  readonly knownShare: number;
  readonly leavers: number;
  readonly verdicts: VerdictsResult;
  /** Held alive at the end by one that had known it, though gone since before the quiet end. */
  readonly undetected: number;
  /** How long members were watched by others, in days of one member watching one other. */
  readonly pairDays: number;
  /** From a change of address until each honest member that knew it had reached the new one. */
  readonly moves: SpreadResult;
  /** From a newcomer's coming until each honest member knew it. */
  readonly newcomers: SpreadResult;
  readonly poison: PoisonResult | undefined;
  /** The longest that a living member went without a call of one that knew it. */
  readonly longestWaitMs: number;
}

/** How far a simulation is. */
export interface ProgressReport {
  readonly simulatedMs: number;
  readonly probes: number;
  /** The share of pairs of founders that know each other, from 0 to 1, and when the last did. */
  readonly knownShare: number;
  readonly allKnowAllMs: number | undefined;
}

/** Runs a scenario. `onProgress` is called after each simulated interval. Rejects with what a round threw. */
export async function simulate(
  scenario: Scenario,
  onProgress: (progress: ProgressReport) => void = () => {},
): Promise<Report> {
  const loop = createEventLoop(START_MS);
  const random = createRandom(scenario.seed);
  const endMs = START_MS + scenario.hours * HOUR;
  const partition = stretchOf(scenario.partition);
  const outage = stretchOf(scenario.outage);
  const counter = createRoundCounter();
  let watchers: Watchers | undefined;

  const network = createNetwork(
    {
      loss: scenario.loss,
      latencyMs: scenario.latencyMs,
      partition,
      outage,
      uplink: stretchOf(scenario.uplink),
      nat: scenario.nat,
      descriptors: scenario.descriptors,
      flap:
        scenario.flap === undefined
          ? undefined
          : { downMs: scenario.flap.down * 1_000, everyMs: scenario.flap.every * 1_000 },
    },
    {
      loop,
      random: random.fork('network'),
      watch: {
        called: (caller, ip) => watchers?.called(caller, ip),
        reached: (caller, callee) => watchers?.reached(caller, callee),
      },
    },
  );
  const world = createWorld({
    scenario,
    loop,
    random,
    network,
    log: counter.log,
    onConsumer: (...write) => watchers?.consumerWritten(...write),
    onHealth: (...write) => watchers?.healthWritten(...write),
    onRound(member, summary) {
      counter.count(summary);
      if (scenario.poisoners > 0 && !member.poisons) watchers?.poison.roundEnded(member);
    },
  });
  const founders = createFounders(world, scenario);
  watchers = createWatchers({
    founders,
    memberOf: world.memberOf,
    memberAt: network.at,
    nowMs: () => loop.nowMs,
    intervalMs: INTERVAL_MS,
    partition,
    outage,
    onComplete: () => loop.after(QUIET_START_MS, () => happenings.begin()),
  });
  const { verdicts } = watchers;
  const lastMs = endMs - QUIET_END_MS;
  const happenings = createHappenings({ scenario, world, watchers, loop, random, lastMs, endMs });

  introduce(founders, scenario.start);
  for (const member of founders) world.start(member, endMs);
  loop.after((endMs - START_MS) / 2, () => happenings.begin());
  if (partition !== undefined) {
    loop.after(partition.to - START_MS, () => verdicts.partitionEnds(pairsHeldDead(world)));
  }
  for (let ms = INTERVAL_MS; ms <= endMs - START_MS; ms += INTERVAL_MS) {
    loop.after(ms, () =>
      onProgress({ simulatedMs: ms, probes: counter.rounds.probes, ...knowledgeOf(watchers) }),
    );
  }
  await loop.run();
  return reportOf({ scenario, world, watchers, rounds: counter.rounds, happenings, endMs });
}

function stretchOf(window: Window | undefined): Stretch | undefined {
  if (window === undefined) return undefined;
  return { from: START_MS + window.from * MINUTE, to: START_MS + window.to * MINUTE };
}

function reportOf({
  scenario,
  world,
  watchers,
  rounds,
  happenings,
  endMs,
}: {
  scenario: Scenario;
  world: World;
  watchers: Watchers;
  rounds: Rounds;
  happenings: Happenings;
  endMs: number;
}): Report {
  const { verdicts, moves, newcomers, poison, turns } = watchers;
  return {
    scenario,
    rounds,
    ...knowledgeOf(watchers),
    leavers: happenings.leavers,
    verdicts: verdicts.result(),
    undetected: countUndetected(world, endMs - QUIET_END_MS),
    pairDays: (rounds.probes * INTERVAL_MS) / DAY,
    moves: moves.result(),
    newcomers: newcomers.result(),
    poison: scenario.poisoners > 0 ? poison.result() : undefined,
    longestWaitMs: turns.longestMs(endMs),
  };
}

function knowledgeOf({ knowledge: { share, completeMs } }: Watchers) {
  return {
    allKnowAllMs: completeMs === undefined ? undefined : completeMs - START_MS,
    knownShare: share,
  };
}

/** Of those who are there, each with each that it holds dead. */
function pairsHeldDead(world: World): (readonly [Member, Member])[] {
  const living = world.living();
  return living.flatMap((observer) =>
    observer.poisons
      ? []
      : living
          .filter(({ uuid }) => observer.database.health.get(uuid)?.state === 'dead')
          .map((subject) => [observer, subject] as const),
  );
}

function countUndetected(world: World, beforeMs: number): number {
  const gone = world.members.filter(({ goneMs = Number.POSITIVE_INFINITY }) => goneMs < beforeMs);
  const holdsAlive = ({ database }: Member, { uuid }: Member) => {
    const record = database.health.get(uuid);
    // A record about another address is void.
    return record !== undefined && record.state !== 'dead' && record.address === database.consumers.get(uuid);
  };
  return world
    .living()
    .filter(({ poisons, joinedMs }) => !poisons && joinedMs < beforeMs)
    .reduce((sum, observer) => sum + gone.filter((subject) => holdsAlive(observer, subject)).length, 0);
}
