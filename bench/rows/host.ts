import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bundle, NODE_OPTION } from '../../host/bundle.ts';
import { startIpSource } from '../http-servers.ts';
import type { Lab } from '../lab.ts';
import { reading } from '../measure.ts';
import type { Row } from '../row.ts';
import { LOCAL_UUID } from '../world.ts';
import { inWords, worldOf } from './setup.ts';

const OUR_IP = '203.0.113.7';
const CONSUMERS = 100;
const WARM_UP_MS = 8_000;
const WINDOW_MS = 20_000;
/** How much faster than by default one of the two hosts ticks. */
const HURRY = 60;
const DAY_MS = 86_400_000;

export const host: Row = {
  name: 'host',
  title: `an idle host from the bundle: its memory, and what a day of checks and rounds over ${inWords(CONSUMERS)} consumers costs`,
  targets: 'under 100 MB resident',
  long: false,
  limitMs: 90_000,
  async run(lab) {
    if (process.platform !== 'linux') return { kind: 'skipped', why: 'reads /proc, which only Linux has' };
    const folder = await mkdtemp(join(tmpdir(), 'p2p-bench-host-'));
    lab.defer(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'p2p-scheduler.mjs');
    const { bytes } = await bundle(file);
    const start = await openWorld(lab, file);
    const idle = start('idle', 1);
    const hurried = start('hurried', HURRY);

    lab.say(`${(WARM_UP_MS + WINDOW_MS) / 1_000} s`);
    await delay(WARM_UP_MS);
    const before = { idle: await cpuMs(idle), hurried: await cpuMs(hurried) };
    await delay(WINDOW_MS);
    // The hurried one's day passes in a sixtieth; what time alone costs it is all but missing there, and is added.
    const idleDay = ((await cpuMs(idle)) - before.idle) * (DAY_MS / WINDOW_MS);
    const tickingDay = ((await cpuMs(hurried)) - before.hurried) * (DAY_MS / WINDOW_MS / HURRY);
    const target = { atMost: 100 };
    return {
      kind: 'measured',
      figures: [
        reading('resident, idle', 'MB', [await residentMb(idle)], target),
        reading('resident, after half an hour of ticks', 'MB', [await residentMb(hurried)], target),
        reading('CPU a day', 's', [(idleDay + tickingDay) / 1_000]),
        reading('the bundle', 'KB', [bytes / 1_000]),
      ],
      notes: [
        `CPU: extrapolated from ${WINDOW_MS / 1_000} s of two hosts, one at the default intervals between its ticks, one that ticks ${HURRY} times as often`,
        'Redis over TCP and IP sources over plain HTTP on loopback: TLS to real ones comes on top',
      ],
    };
  },
};

/** Peers, sources and a Redis for both hosts; answers what starts one. */
async function openWorld(lab: Lab, file: string): Promise<(name: string, hurry: number) => number> {
  const peers = await lab.peers();
  const redis = await lab.redis();
  const sources = await Promise.all([1, 2, 3].map(() => startIpSource(OUR_IP)));
  for (const source of sources) lab.defer(source.end);
  const worlds = new Map(['idle', 'hurried'].map((name) => [name, worldOf(`host-${name}`, redis, peers)]));
  for (const { keys } of worlds.values()) await redis.fillPeers(keys.consumers, CONSUMERS);
  return (name, hurry) => {
    const child = spawn(process.execPath, [NODE_OPTION, file, 'host'], {
      env: {
        ...worlds.get(name)?.params().env,
        LOCAL_ENV_FILE: '',
        LOCAL_UUID,
        PEER_ALLOW_CIDRS: '127.0.0.0/8',
        IP_ALLOW_CIDRS: '203.0.113.0/24',
        IP_SOURCES: sources.map(({ url }) => url).join(','),
        IP_CHECK_INTERVAL_MS: String(60_000 / hurry),
        SYNC_INTERVAL_MS: String(300_000 / hurry),
        // The gateway of the machine that measures is left alone.
        IP_HINTS: 'interface',
      },
      stdio: 'ignore',
    });
    lab.defer(() => end(child));
    return child.pid ?? 0;
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** What all threads of a process have computed so far. */
async function cpuMs(pid: number): Promise<number> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const stats = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8')),
  );
  return stats.reduce((sum, stat) => sum + Number(stat.split(' ')[0]) / 1e6, 0);
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1_024;
}
