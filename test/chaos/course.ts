import { textsOf } from './commits.ts';
import type { Lane } from './lane.ts';
import type { Mood, Producer } from './producers.ts';
import { createRandom, type Random } from './random.ts';
import { KEYS } from './scripts.ts';
import { createTally, type Tally, totalOf } from './tally.ts';
import { judge } from './verdict.ts';
import { createWorld, type Moment, readDue, type World } from './world.ts';

/** One run, from an empty Redis to the verdict. */
export interface Run {
  readonly seed: number;
  readonly tally: Tally;
  readonly timeline: readonly Moment[];
  readonly failed: boolean;
}

const IPS: readonly [string, ...string[]] = ['203.0.113.1', '203.0.113.2', '203.0.113.3'];
/** Around each of the times that the rules name, and within them. */
const PAUSES_MS = [
  200, 1_000, 4_000, 10_000, 21_000, 31_000, 45_000, 61_000, 61_000, 300_000, 3_600_000,
] as const;
/** What is late comes within a minute: more has to happen until then. */
const SHORT_PAUSES_MS = [200, 1_000, 4_000, 4_000, 10_000, 10_000, 21_000, 31_000, 61_000] as const;
const MOODS = [
  [4, 'well'],
  [2, 'slow'],
  [2, 'hanging'],
  [2, 'resetting'],
  [2, 'failing'],
  [2, 'mixed'],
  [1, 'refusing'],
  [1, 'gateway'],
  [1, 'odd'],
] as const satisfies readonly (readonly [number, Mood])[];
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
  world.note(strict ? 'requests die in time' : 'requests may take effect late');

  world.changeIp(random.pick(IPS));
  for (let n = random.between(5, 9); n > 0; n--) await world.add();
  for (let step = random.between(6, 9); step > 0; step--) {
    await chaos(lane, world, { random: random.fork(`step ${step}`), strict, tally });
    await world.pass(random.pick<number>(strict ? PAUSES_MS : SHORT_PAUSES_MS));
  }
  await heal(lane, world, { random, tally });
  await checkState(lane, world, tally);
  findings(lane, world, { strict, tally });
  return { seed, tally, timeline: world.timeline, failed: totalOf(tally.findings) > 0 };
}

interface Parts {
  readonly random: Random;
  readonly tally: Tally;
}

/** One step: things change, faults are planned, and a check runs, or two, or none. */
async function chaos(
  lane: Lane,
  world: World,
  { random, strict, tally }: Parts & { strict: boolean },
): Promise<void> {
  const { wire, sources } = lane;
  const someone = () => pickOf(world.producers, random);
  const soon = () => random.between(1, 36);

  const otherIp = () => IPS[(IPS.indexOf(sources.ip) + random.between(1, 2)) % IPS.length] ?? IPS[0];
  if (random.chance(0.55)) world.changeIp(otherIp());
  for (const producer of world.producers) {
    if (random.chance(0.5)) {
      const late = !strict && random.chance(0.5);
      await world.setMood(producer, late ? 'late' : random.weighted(MOODS));
    }
    if (random.chance(producer.listed ? 0.07 : 0.4)) {
      await (producer.listed ? world.unlist(producer) : world.list(producer));
    }
    if (random.chance(0.08)) await world.move(producer);
  }
  if (world.producers.length < 12 && random.chance(0.3)) await world.add();

  if (random.chance(0.3)) world.note(sources.upset(random));
  else sources.calm();
  wire.trouble(random.pick([0, 0, 0.06, 0.15]), random.fork('wire'));

  for (let kills = random.pick([0, 0, 1, 1, 2]); kills > 0; kills--) {
    world.plan(soon(), () => world.killHandler(random.fork(`kill ${kills}`)));
  }
  const downMs = random.between(0, 200);
  if (random.chance(0.15)) world.plan(soon(), () => world.dropRedis(downMs));
  if (random.chance(0.1)) world.plan(soon(), () => world.breakConnection());
  if (random.chance(0.2)) world.plan(soon(), () => world.flushScripts());
  const surprise = otherIp();
  if (random.chance(0.2)) world.plan(soon(), () => world.changeIp(surprise));
  if (random.chance(0.2)) {
    const mover = someone();
    world.plan(soon(), () => mover && world.move(mover));
  }
  if (random.chance(0.15)) world.plan(soon(), () => world.check());

  for (let checks = random.pick([0, 1, 1, 1, 1, 1, 2]); checks > 0; checks--) world.check();
  if (random.chance(0.12)) world.notify({});
  if (random.chance(0.06)) world.notify({ ip: random.pick(IPS) });
  await world.settle();
  await checkState(lane, world, tally);
}

/** Nothing goes wrong any more; ticks go on until nothing is due that could be done. */
async function heal(lane: Lane, world: World, { random, tally }: Parts): Promise<void> {
  const { wire, sources } = lane;
  world.note('all is well again');
  world.calm();
  wire.trouble(0, random);
  sources.calm();
  for (const producer of world.producers) {
    await world.setMood(producer, 'well');
    if (!producer.listed && random.chance(0.5)) await world.list(producer);
  }
  for (let round = 1; ; round++) {
    world.check();
    await world.settle();
    const waitMs = await toWait(lane, world);
    if (waitMs === undefined) break;
    if (round === PATIENCE) {
      tally.findings.unhealed += 1;
      world.note(`UNHEALED: ${JSON.stringify([...(await readDue(lane))])}`);
      break;
    }
    await world.pass(waitMs);
  }
  // Whoever comes after the last change waits for the next one, and a quiet check calls nobody.
  const before = tally.calls;
  await world.add();
  await world.pass(120_000);
  world.check();
  await world.settle();
  if (tally.calls !== before) {
    tally.findings.uncalledFor += tally.calls - before;
    world.note('UNCALLED-FOR: a quiet check had somebody called');
  }
}

/** How long until something can be done, or undefined if nothing is to be done. */
async function toWait(lane: Lane, world: World): Promise<number | undefined> {
  const [current] = await lane.wire.direct(['HGET', KEYS.ip, 'current']);
  if (String(current) !== lane.sources.ip) return 61_000;
  const due = await readDue(lane);
  const listed = new Set(world.producers.filter((one) => one.listed).map(({ uuid }) => uuid));
  const scores = [...due].filter(([uuid]) => listed.has(uuid)).map(([, score]) => score);
  if (scores.length === 0) return world.pending ? 61_000 : undefined;
  return Math.max(5_000, Math.min(...scores) - world.nowMs + 1_000);
}

function findings(lane: Lane, world: World, { strict, tally }: { strict: boolean; tally: Tally }): void {
  const { commits } = lane.wire.commits;
  const verdict = judge(world.producers, commits, lane.sources.ip);
  const { findings } = tally;
  findings.lost += verdict.lost.length;
  findings.wrong += verdict.wrong.length;
  findings.foreign += verdict.foreign;
  if (strict) findings.outOfOrder += verdict.outOfOrder.length;
  else tally.overtaken += verdict.outOfOrder.length;
  for (const what of ['lost', 'wrong', 'outOfOrder'] as const) {
    if (verdict[what].length > 0) world.note(`${what}: ${verdict[what].join(', ')}`);
  }
  tally.changes += commits.length;
  tally.duplicates += verdict.duplicates;
  tally.deliveries += world.producers.reduce((sum, { effects }) => sum + effects.length, 0);
  tally.judged += world.producers.filter(
    ({ uuid, listed }) => listed && commits.at(-1)?.owed.has(uuid),
  ).length;
}

/** Answers the records that have a lease and no place in `deliveries:due`. */
const LEASED_OUTSIDE_DUE = `
local flat, outside = redis.call('HGETALL', KEYS[1]), {}
for i = 2, #flat, 2 do
  local ok, record = pcall(cjson.decode, flat[i])
  local leased = ok and type(record) == 'table' and type(record.lease) == 'string'
  if leased and not redis.call('ZSCORE', KEYS[2], flat[i - 1]) then outside[#outside + 1] = flat[i] end
end
return outside`;

async function checkState(lane: Lane, world: World, tally: Tally): Promise<void> {
  const [reply] = await lane.wire.direct(['EVAL', LEASED_OUTSIDE_DUE, '2', KEYS.deliveries, KEYS.due]);
  const faults = [
    ...textsOf(reply ?? null).map((record) => `a lease outside deliveries:due: ${record}`),
    ...lane.wire.commits.takeFaults(),
  ];
  tally.findings.brokenState += faults.length;
  for (const fault of faults) world.note(`BROKEN STATE: ${fault}`);
}

function pickOf(producers: readonly Producer[], random: Random): Producer | undefined {
  const [first, ...rest] = producers;
  return first && random.pick([first, ...rest]);
}
