import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../chaos/random.ts';
import { HOUR } from '../support/clock.ts';
import type { Peer } from '../support/peer-server.ts';
import { run, type World } from './world.ts';

/** Something that goes wrong for a while around the host. */
export interface Fault {
  readonly name: string;
  /** Needs a network namespace of its own, and the right to change it. */
  readonly network?: true;
  /** Has it happen for `ms`, and puts everything right again. */
  happen(world: World, ms: number, random: Random): Promise<void>;
}

/** A fault that begins and ends. */
const during = (
  name: string,
  begin: (world: World, random: Random) => unknown,
  end: (world: World) => unknown,
): Fault => ({
  name,
  async happen(world, ms, random) {
    await begin(world, random);
    try {
      await delay(ms);
    } finally {
      await end(world);
    }
  },
});

/** Ends all connections but our own, so that what was changed for new ones counts for all. */
const disconnectAll = ({ admin }: World) => admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

async function shutDown({ admin, server }: World): Promise<void> {
  await admin.save();
  await server.kill();
}

const config = (name: string, parameter: string, bad: string, good: string): Fault =>
  during(
    name,
    async (world) => {
      await world.admin.config('SET', parameter, bad);
      await disconnectAll(world);
    },
    ({ admin }) => admin.config('SET', parameter, good),
  );

const answers = [
  'hang',
  'reset',
  { status: 500, body: 'no' },
  { status: 503 },
  { body: 'not what anybody asked for' },
  { status: 302, headers: { location: 'http://127.0.0.1/' } },
] as const;

const misbehave = (peers: readonly Peer[], random: Random) => {
  for (const peer of peers) {
    const answer = random.pick<(typeof answers)[number]>(answers);
    peer.respond(typeof answer === 'string' ? () => answer : answer);
  }
};
const heal = (peers: readonly Peer[]) => {
  for (const peer of peers) peer.respond({});
};

/** Every kind of trouble that a host has to get over by itself. */
export const FAULTS: readonly Fault[] = [
  during('redis-stopped', shutDown, ({ server }) => server.restart()),
  during(
    'redis-paused',
    ({ server }) => process.kill(server.pid, 'SIGSTOP'),
    ({ server }) => process.kill(server.pid, 'SIGCONT'),
  ),
  {
    name: 'redis-loading',
    async happen(world, ms) {
      await shutDown(world);
      // Some microseconds for each of over 200 keys, and an answer to clients in between.
      world.redisArgs.push(
        '--key-load-delay',
        String(ms * 5),
        '--loading-process-events-interval-bytes',
        '1024',
      );
      try {
        await world.server.restart();
      } finally {
        world.redisArgs.length = 0;
      }
    },
  },
  config('redis-password', 'requirepass', 'another', ''),
  config('redis-full-of-clients', 'maxclients', '1', '10000'),
  config('redis-out-of-memory', 'maxmemory', '1', '0'),
  during(
    'redis-read-only',
    ({ admin }) => admin.replicaof('127.0.0.1', 1),
    ({ admin }) => admin.replicaof('NO', 'ONE'),
  ),
  during(
    'redis-without-master',
    async ({ admin }) => {
      await admin.config('SET', 'replica-serve-stale-data', 'no');
      await admin.replicaof('127.0.0.1', 1);
    },
    async ({ admin }) => {
      await admin.replicaof('NO', 'ONE');
      await admin.config('SET', 'replica-serve-stale-data', 'yes');
    },
  ),
  {
    name: 'redis-forgetful',
    async happen(world, ms) {
      const endMs = performance.now() + ms;
      while (performance.now() < endMs) {
        await world.admin.script('FLUSH');
        await disconnectAll(world);
        await delay(100);
      }
    },
  },
  during(
    'sources',
    ({ sources }, random) => misbehave(sources, random),
    ({ healSources }) => healSources(),
  ),
  during(
    'consumers',
    ({ consumers }, random) => misbehave(consumers, random),
    ({ consumers }) => heal(consumers),
  ),
  {
    name: 'producers',
    async happen(world, ms, random) {
      misbehave(world.producers, random);
      // While nobody takes it, there is something to deliver.
      world.renumber();
      await delay(ms);
      heal(world.producers);
    },
  },
  during(
    'host-stopped',
    ({ hostPid }) => process.kill(hostPid, 'SIGSTOP'),
    ({ hostPid }) => process.kill(hostPid, 'SIGCONT'),
  ),
  during(
    'host-without-descriptors',
    ({ hostPid }) => run('prlimit', '--pid', String(hostPid), '--nofile=20:'),
    ({ hostPid }) => run('prlimit', '--pid', String(hostPid), '--nofile=1024:'),
  ),
  during(
    'host-clock',
    ({ setClock }, random) => setClock(random.between(-3 * HOUR, 3 * HOUR)),
    ({ setClock }) => setClock(0),
  ),
  {
    name: 'interface-flaps',
    network: true,
    async happen(_world, ms) {
      const endMs = performance.now() + ms;
      while (performance.now() < endMs) {
        run('ip', 'address', 'add', '10.20.30.40/24', 'dev', 'spare');
        await delay(1_100);
        run('ip', 'address', 'del', '10.20.30.40/24', 'dev', 'spare');
        await delay(1_100);
      }
    },
  },
  {
    ...during(
      'network-down',
      () => run('ip', 'link', 'set', 'lo', 'down'),
      () => run('ip', 'link', 'set', 'lo', 'up'),
    ),
    network: true,
  },
];
