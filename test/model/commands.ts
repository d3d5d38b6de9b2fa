import fc from 'fast-check';
import { DRAINS, type Ending, type Fate, IPS, PRODUCERS, type World } from './world.ts';

type Command = fc.AsyncCommand<World, World>;

/** A step that is skipped where it cannot happen. Its text replays it by eye. */
function step(
  text: string,
  run: (world: World) => void | Promise<void>,
  check: (world: World) => boolean = () => true,
): Command {
  return { check, run: async (_model, world) => run(world), toString: () => text };
}

const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 8, arbitrary: fc.constant('arrives' as const) },
  { weight: 1, arbitrary: fc.constantFrom('request-lost' as const, 'reply-lost' as const, 'twice' as const) },
  { weight: 2, arbitrary: fc.record({ diesAfter: fc.nat(4) }) },
);
const ending = fc.constantFrom<Ending>(
  'answered',
  'answered',
  'answer-lost',
  'refused',
  'timeout',
  'error-500',
  'error-504',
  'local',
);
const producer = fc.nat(PRODUCERS - 1);
const drain = fc.constantFrom(...DRAINS);
const ip = fc.constantFrom(...IPS);
const pick = fc.nat(5);

/** 1 ms to over a day: around each of the times that the rules name. */
const pause = fc.constantFrom(
  1,
  1_000,
  5_000,
  15_000,
  20_001,
  31_000,
  60_000,
  61_000,
  600_000,
  3_600_000,
  90_000_000,
);

/** From within a lease to days. */
const clockStep = fc
  .tuple(fc.constantFrom(1, -1), fc.constantFrom(10_000, 300_000, 1_800_000, 7_200_000, 259_200_000))
  .map(([sign, ms]) => sign * ms);

const open = (world: World) =>
  world.attempts.filter(({ startedAt, orphaned }) => startedAt !== undefined && !orphaned);
const show = (value: Fate) => JSON.stringify(value);

/** What happens most in life, as one step: else most courses end before anything interesting has begun. */
const WHOLE_STEPS: { weight: number; arbitrary: fc.Arbitrary<Command> }[] = [
  {
    weight: 6,
    arbitrary: ip.map((to) =>
      step(`the IP changes to ${to}, and a check finds it`, async (w) => {
        w.changeIp(to);
        await w.beginCheck();
        await w.recordCheck(w.checks.length - 1, 'arrives');
      }),
    ),
  },
  {
    weight: 8,
    arbitrary: drain.map((d) =>
      step(`${d} claims and calls all`, async (w) => {
        await w.claim(d, PRODUCERS, 'arrives');
        while (w.attempts.some((a) => a.startedAt === undefined && !a.orphaned)) w.start(0);
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(drain, ending, fc.boolean()).map(([d, e, claims]) =>
      step(`all calls of ${d} end: ${e}, and are settled${claims ? ' with a claim' : ''}`, async (w) => {
        const mine = () => open(w).findIndex((a) => a.drain === d);
        while (mine() >= 0) w.end(mine(), e);
        if (claims) await w.claim(d, PRODUCERS, 'arrives', PRODUCERS);
        else await w.settle(d, PRODUCERS, 'arrives');
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(producer, drain, fc.integer({ min: 20, max: 26 })).map(([i, d, looks]) =>
      step(`producer ${i} is away for ${looks} looks of ${d}`, async (w) => {
        await w.unlist(i);
        await w.keepLooking(d, looks);
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: pick.map((i) =>
      step(
        `one of the producers that are being called, ${i}, moves`,
        (w) => w.moveCalled(i),
        (w) => open(w).length > 0,
      ),
    ),
  },
];

const ANY_STEP: { weight: number; arbitrary: fc.Arbitrary<Command> }[] = [
  { weight: 4, arbitrary: pause.map((ms) => step(`advance ${ms} ms`, (w) => w.advance(ms))) },
  { weight: 5, arbitrary: producer.map((i) => step(`list producer ${i}`, (w) => w.list(i))) },
  { weight: 1, arbitrary: producer.map((i) => step(`unlist producer ${i}`, (w) => w.unlist(i))) },
  { weight: 3, arbitrary: producer.map((i) => step(`move producer ${i}`, (w) => w.move(i))) },
  { weight: 1, arbitrary: producer.map((i) => step(`rewrite producers from ${i}`, (w) => w.rewrite(i))) },
  { weight: 2, arbitrary: ip.map((to) => step(`change the IP to ${to}`, (w) => w.changeIp(to))) },
  { weight: 2, arbitrary: fc.constant(step('begin a check', (w) => w.beginCheck())) },
  {
    weight: 4,
    arbitrary: fc.tuple(pick, fate).map(([i, f]) =>
      step(
        `record check ${i}, ${show(f)}`,
        (w) => w.recordCheck(i, f),
        (w) => w.checks.length > 0,
      ),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(ip, fc.constantFrom('word-a', 'word-b'), fate)
      .map(([to, id, f]) => step(`the operator says ${to} as ${id}, ${show(f)}`, (w) => w.word(to, id, f))),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(drain, fc.integer({ min: 1, max: PRODUCERS }), fate, fc.nat(PRODUCERS))
      .map(([d, n, f, ended]) =>
        step(`${d} settles ${ended} and claims ${n}, ${show(f)}`, (w) => w.claim(d, n, f, ended)),
      ),
  },
  {
    weight: 6,
    arbitrary: pick.map((i) =>
      step(
        `start ${i}`,
        (w) => w.start(i),
        (w) => w.attempts.some((a) => a.startedAt === undefined && !a.orphaned),
      ),
    ),
  },
  {
    weight: 3,
    arbitrary: pick.map((i) =>
      step(
        `arrive ${i}`,
        (w) => w.arrive(i),
        (w) => w.attempts.some((a) => a.startedAt !== undefined && !a.arrived),
      ),
    ),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(pick, ending).map(([i, e]) =>
      step(
        `end ${i}: ${e}`,
        (w) => w.end(i, e),
        (w) => open(w).length > 0,
      ),
    ),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(drain, fc.integer({ min: 1, max: PRODUCERS }), fate).map(([d, n, f]) =>
      step(
        `${d} settles ${n}, ${show(f)}`,
        (w) => w.settle(d, n, f),
        (w) => w.ended.some((e) => e.drain === d),
      ),
    ),
  },
  { weight: 1, arbitrary: drain.map((d) => step(`${d} crashes`, (w) => w.crash(d))) },
  {
    weight: 3,
    arbitrary: clockStep.map((ms) =>
      step(
        `Redis's clock is set by ${ms} ms`,
        (w) => w.setClock(ms),
        (w) => w.mode === 'clock',
      ),
    ),
  },
  { weight: 1, arbitrary: fc.constant(step('Redis forgets its scripts', (w) => w.flushScripts())) },
];

/** Any course of events, and then all is well again. */
export function courses(length: number): fc.Arbitrary<Iterable<Command>> {
  // One arbitrary by weight, so that what happens most in life happens most here.
  return fc.commands([fc.oneof(...WHOLE_STEPS, ...ANY_STEP)], { maxCommands: length, size: 'max' });
}
