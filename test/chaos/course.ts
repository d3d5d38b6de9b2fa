import type { Moment } from './bustle.ts';
import type { Lane } from './lane.ts';
import { createRandom, type Random } from './random.ts';
import { KEYS } from './scripts.ts';
import { checkState } from './state.ts';
import { IPS, storm } from './storm.ts';
import { createTally, type Tally, totalOf } from './tally.ts';
import { judge } from './verdict.ts';
import { createWorld, type World } from './world.ts';

/** One run, from an empty Redis to the verdict. */
export interface Run {
  readonly seed: number;
  readonly tally: Tally;
  readonly timeline: readonly Moment[];
  readonly failed: boolean;
}

/** Around each of the times that the rules name, and within them. */
const PAUSES_MS = [
  200, 1_000, 4_000, 10_000, 21_000, 31_000, 45_000, 61_000, 61_000, 300_000, 3_600_000,
] as const;
/** What is late comes within a minute: more has to happen until then. */
const SHORT_PAUSES_MS = [200, 1_000, 4_000, 4_000, 10_000, 10_000, 21_000, 31_000, 61_000] as const;
/** Of the times at which all is well and something is still to be done. */
const PATIENCE = 80;

/**
 * Lets everything go wrong for a while, then nothing any more, and judges. In most runs a request dies with its caller; in the
 * others producers take note of one up to a minute late, and then an older address may come after a newer one, but not stay.
 */
export async function runOnce(lane: Lane, seed: number): Promise<Run> {
  const random = createRandom(seed);
  const strict = random.chance(0.65);
  const tally = createTally();
  tally.runs = 1;
  if (!strict) tally.lateRuns = 1;
  const world = await createWorld(lane, { random: random.fork('world'), tally });
  world.bustle.note(strict ? 'requests die in time' : 'requests may take effect late');

  world.changeIp(random.pick(IPS));
  for (let n = random.between(5, 9); n > 0; n--) await world.residents.add();
  for (let step = random.between(6, 9); step > 0; step--) {
    await storm(lane, world, { random: random.fork(`step ${step}`), strict });
    await checkState(lane, world, tally);
    await world.pass(random.pick<number>(strict ? PAUSES_MS : SHORT_PAUSES_MS));
  }
  await heal(lane, world, { random, tally });
  await checkState(lane, world, tally);
  findings(lane, world, { strict, tally });
  return { seed, tally, timeline: world.bustle.timeline, failed: totalOf(tally.findings) > 0 };
}

/** Nothing goes wrong any more; ticks go on until nothing is due that could be done. */
async function heal(
  lane: Lane,
  world: World,
  { random, tally }: { random: Random; tally: Tally },
): Promise<void> {
  const { wire, sources } = lane;
  world.bustle.note('all is well again');
  world.invocations.calm();
  wire.trouble(0, random);
  sources.calm();
  for (const producer of world.residents.all) {
    await world.residents.setMood(producer, 'well');
    if (!producer.listed && random.chance(0.5)) await world.residents.list(producer);
  }
  for (let round = 1; ; round++) {
    world.invocations.check();
    await world.bustle.settle();
    const waitMs = await toWait(lane, world);
    if (waitMs === undefined) break;
    if (round === PATIENCE) {
      tally.findings.unhealed += 1;
      world.bustle.note(`UNHEALED: ${JSON.stringify([...(await world.due())])}`);
      break;
    }
    await world.pass(waitMs);
  }
  // Whoever comes after the last change waits for the next one, and a quiet check calls nobody.
  const before = tally.calls;
  await world.residents.add();
  await world.pass(120_000);
  world.invocations.check();
  await world.bustle.settle();
  if (tally.calls !== before) {
    tally.findings.uncalledFor += tally.calls - before;
    world.bustle.note('UNCALLED-FOR: a quiet check had somebody called');
  }
}

/** How long until something can be done, or undefined if nothing is to be done. */
async function toWait(lane: Lane, world: World): Promise<number | undefined> {
  const [current] = await lane.wire.direct(['HGET', KEYS.ip, 'current']);
  if (String(current) !== lane.sources.ip) return 61_000;
  const due = await world.due();
  const listed = new Set(world.residents.all.filter((one) => one.listed).map(({ uuid }) => uuid));
  const scores = [...due].filter(([uuid]) => listed.has(uuid)).map(([, score]) => score);
  if (scores.length === 0) return world.residents.pending || world.invocations.pending ? 61_000 : undefined;
  return Math.max(5_000, Math.min(...scores) - world.nowMs + 1_000);
}

function findings(lane: Lane, world: World, { strict, tally }: { strict: boolean; tally: Tally }): void {
  const { commits } = lane.wire.commits;
  const verdict = judge(world.residents.all, commits, lane.sources.ip);
  const { findings } = tally;
  findings.lost += verdict.lost.length;
  findings.wrong += verdict.wrong.length;
  findings.foreign += verdict.foreign;
  if (strict) findings.outOfOrder += verdict.outOfOrder.length;
  else tally.overtaken += verdict.outOfOrder.length;
  for (const what of ['lost', 'wrong', 'outOfOrder'] as const) {
    if (verdict[what].length > 0) world.bustle.note(`${what}: ${verdict[what].join(', ')}`);
  }
  tally.changes += commits.length;
  tally.duplicates += verdict.duplicates;
  tally.deliveries += world.residents.all.reduce((sum, { effects }) => sum + effects.length, 0);
  tally.judged += world.residents.all.filter(
    ({ uuid, listed }) => listed && commits.at(-1)?.owed.has(uuid),
  ).length;
}
