import type { Lane } from './lane.ts';
import type { Mood, Producer } from './producers.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Addresses that the host may have. */
export const IPS: readonly [string, ...string[]] = ['203.0.113.1', '203.0.113.2', '203.0.113.3'];
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

/**
 * One step of a run in which everything goes wrong: things change, faults are planned, and a check runs, or two, or none.
 * Unless `strict`, producers may take note of a request late.
 */
export async function storm(
  { wire, sources }: Lane,
  world: World,
  { random, strict }: { random: Random; strict: boolean },
): Promise<void> {
  const { residents, invocations, bustle } = world;
  const someone = () => pickOf(residents.all, random);
  const soon = () => random.between(1, 36);

  const otherIp = () => IPS[(IPS.indexOf(sources.ip) + random.between(1, 2)) % IPS.length] ?? IPS[0];
  if (random.chance(0.55)) world.changeIp(otherIp());
  for (const producer of residents.all) {
    if (random.chance(0.5)) {
      const late = !strict && random.chance(0.5);
      await residents.setMood(producer, late ? 'late' : random.weighted(MOODS));
    }
    if (random.chance(producer.listed ? 0.07 : 0.4)) {
      await (producer.listed ? residents.unlist(producer) : residents.list(producer));
    }
    if (random.chance(0.08)) await residents.move(producer);
  }
  if (residents.all.length < 12 && random.chance(0.3)) await residents.add();

  if (random.chance(0.3)) bustle.note(sources.upset(random));
  else sources.calm();
  wire.trouble(random.pick([0, 0, 0.06, 0.15]), random.fork('wire'));

  for (let kills = random.pick([0, 0, 1, 1, 2]); kills > 0; kills--) {
    bustle.plan(soon(), () => invocations.killOne(random.fork(`kill ${kills}`)));
  }
  const downMs = random.between(0, 200);
  if (random.chance(0.15)) bustle.plan(soon(), () => world.dropRedis(downMs));
  if (random.chance(0.1)) bustle.plan(soon(), () => world.breakConnection());
  if (random.chance(0.2)) bustle.plan(soon(), () => world.flushScripts());
  const surprise = otherIp();
  if (random.chance(0.1)) bustle.plan(soon(), () => world.changeIp(surprise));
  if (random.chance(0.2)) {
    const mover = someone();
    bustle.plan(soon(), () => mover && residents.move(mover));
  }
  if (random.chance(0.2)) residents.moveNextCalled();
  if (random.chance(0.3)) {
    // A change that is committed while others are being delivered.
    const next = otherIp();
    bustle.plan(soon(), () => {
      world.changeIp(next);
      invocations.check();
    });
  }

  for (let checks = random.pick([0, 1, 1, 1, 1, 1, 2]); checks > 0; checks--) invocations.check();
  if (random.chance(0.2)) invocations.notify({});
  if (random.chance(0.06)) invocations.notify({ ip: random.pick(IPS) });
  await bustle.settle();
}

function pickOf(producers: readonly Producer[], random: Random): Producer | undefined {
  const [first, ...rest] = producers;
  return first && random.pick([first, ...rest]);
}
