import { setTimeout as delay } from 'node:timers/promises';
import { missingForNetwork } from '../../test/netns/network.ts';
import { missingForRouter } from '../../test/netns/router-daemon.ts';
import { openScene, type Scene, type SceneHost, type SceneOptions } from '../../test/netns/scene.ts';
import type { Lab } from '../lab.ts';
import { type Figure, reading, type Target } from '../measure.ts';
import type { Row } from '../row.ts';

const PRODUCERS = 100;
/** Networks of each kind, side by side, and changes of the address in each. */
const ROUTERS = 4;
const FLAPPING = 2;
const CHANGES = 5;
/** A change comes this long after the last one was told everywhere, at any point of the schedule's minute. */
const PAUSE_MS = { least: 10_000, most: 70_000 };
/** A link that flaps is out and in for so long in turn. */
const OUT_MS = { least: 1_000, most: 8_000 };
const IN_MS = { least: 5_000, most: 20_000 };
const AWAY_MS = 40_000;

const WITHOUT_HINTS = { IP_HINTS: 'none' };

export const timeToTold: Row = {
  name: 'time-to-told',
  title: `from the change of the address to the last of ${PRODUCERS} producers told: network namespaces, a real router daemon`,
  targets: 'median under 10 s with hints behind a router; 8 s on an interface; 10 s after a link is back',
  long: true,
  limitMs: 1_200_000,
  async run(lab) {
    const missing = missingForNetwork() ?? missingForRouter();
    if (missing !== undefined) return { kind: 'skipped', why: `needs ${missing}` };
    const open = (router: SceneOptions['router']) =>
      openScene({ after: lab.defer }, { producers: PRODUCERS, ...(router !== undefined && { router }) });
    const repeat = async <Thing>(count: number, make: () => Promise<Thing>) => {
      const all: Thing[] = [];
      // One after the other: starting is the only thing here that takes CPU.
      while (all.length < count) all.push(await make());
      return all;
    };
    lab.say('starting routers, hosts and producers');
    const routers = await repeat(ROUTERS, async () => {
      const scene = await open('miniupnpd');
      return { scene, hints: await hostOf(scene), schedule: await hostOf(scene, WITHOUT_HINTS) };
    });
    const flapping = await repeat(FLAPPING, async () => {
      const scene = await open('miniupnpd');
      return { scene, host: await hostOf(scene) };
    });
    const [direct, away] = await repeat(2, async () => {
      const scene = await open('none');
      return { scene, host: await hostOf(scene) };
    });
    if (direct === undefined || away === undefined) throw new Error('two networks were made');

    const [behind, flaps, onInterface, back] = await Promise.all([
      Promise.all(routers.map(({ scene, hints, schedule }) => changes(lab, scene, [hints, schedule]))),
      Promise.all(flapping.map(({ scene, host }) => whileFlapping(scene, () => changes(lab, scene, [host])))),
      changes(lab, direct.scene, [direct.host]),
      comeBack(away.scene, away.host),
    ]);
    const of = (index: number) => behind.flatMap((all) => all[index] ?? []);
    return {
      kind: 'measured',
      figures: [
        ...figures('schedule alone', of(1)),
        ...figures('hints, behind a router', of(0), { atMost: 10 }),
        ...figures(
          'hints, the link flaps',
          flaps.flatMap(([times]) => times ?? []),
        ),
        ...figures('hints, address on the interface', onInterface[0] ?? [], { atMost: 8 }),
        reading('hints, link back after 40 s, worst', 's', [Math.max(...back)], { atMost: 10 }),
      ],
      notes: [
        `${of(0).length} changes behind routers, each seen by a host with hints and one without; a check a minute, at random phases`,
        'every time has the 3 s in it that lie between the two looks at a new address',
        `a link that flaps is out ${OUT_MS.least / 1_000}-${OUT_MS.most / 1_000} s of every ${(OUT_MS.least + IN_MS.least) / 1_000}-${(OUT_MS.most + IN_MS.most) / 1_000} s, which is part of the time`,
      ],
    };
  },
};

async function hostOf(scene: Scene, env: Readonly<Record<string, string>> = {}): Promise<SceneHost> {
  const host = await scene.startHost(env);
  await host.told(scene.network.firstIp);
  return host;
}

/** Changes the address again and again; answers, for each host, the seconds from each change to its last producer told. */
async function changes(lab: Lab, { network }: Scene, hosts: readonly SceneHost[]): Promise<number[][]> {
  const times: number[][] = hosts.map(() => []);
  let current = network.firstIp;
  for (let change = 1; change <= CHANGES; change++) {
    await delay(between(PAUSE_MS));
    const next = `11.22.33.${100 + change}`;
    const changedAt = Date.now();
    network.renumber(current, next);
    current = next;
    const told = await Promise.all(hosts.map((host) => host.told(next)));
    for (const [index, calls] of told.entries()) {
      times[index]?.push((Math.max(...calls.map(({ at }) => at)) - changedAt) / 1_000);
    }
    lab.say(`changed to ${next}: ${times.map((all) => all.at(-1)?.toFixed(1)).join(' and ')} s`);
  }
  return times;
}

/** Pulls the plug of `home` and puts it in again until `work` is done. */
async function whileFlapping<Result>({ network }: Scene, work: () => Promise<Result>): Promise<Result> {
  const over = new AbortController();
  const pause = (range: typeof OUT_MS) =>
    delay(between(range), undefined, { signal: over.signal }).catch(() => undefined);
  const flap = async () => {
    while (!over.signal.aborted) {
      await pause(IN_MS);
      network.plug('out');
      await pause(OUT_MS);
      network.plug('in');
    }
  };
  const flapping = flap();
  try {
    return await work();
  } finally {
    over.abort();
    await flapping;
  }
}

/** The link goes away and comes back with another address; seconds from then to the last producer told. */
async function comeBack({ network }: Scene, host: SceneHost): Promise<number[]> {
  const times: number[] = [];
  for (let change = 1; change <= CHANGES; change++) {
    await delay(between(PAUSE_MS));
    network.plug('out');
    await delay(AWAY_MS);
    const next = `11.22.33.${100 + change}`;
    network.plug('in', next);
    const backAt = Date.now();
    const calls = await host.told(next);
    times.push((Math.max(...calls.map(({ at }) => at)) - backAt) / 1_000);
  }
  return times;
}

function figures(name: string, seconds: readonly number[], target?: Target): Figure[] {
  return [
    reading(`${name}, median`, 's', seconds, target),
    // Of fewer than a hundred the worst.
    reading(`${name}, p99`, 's', [
      seconds.toSorted((a, b) => a - b)[Math.ceil(0.99 * seconds.length) - 1] ?? 0,
    ]),
  ];
}

function between({ least, most }: { least: number; most: number }): number {
  return least + Math.random() * (most - least);
}
