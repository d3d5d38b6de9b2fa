import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { NODE_OPTION } from '../../host/bundle.ts';
import { type Peer, startPeer } from '../support/peer-server.ts';
import { ROOT } from '../support/processes.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';

const CONSUMERS = 4;
const PRODUCERS = 4;
/** More keys than ours, so that Redis takes a while to load them if it is told to be slow. */
const FILLERS = 200;
/** A network that is nobody's: addresses for some years of changes. */
const OWN_NETWORK = '198.18.0.0/15';

/** Everything that faults happen to. */
export interface World {
  readonly server: RedisServer;
  /** Arguments with which Redis is started the next time. */
  readonly redisArgs: string[];
  /** A connection of an administrator, which stays where others are refused. */
  readonly admin: Redis;
  readonly sources: readonly Peer[];
  readonly consumers: readonly Peer[];
  readonly producers: readonly Peer[];
  readonly hostPid: number;
  /** Lines of the host's log so far. */
  readonly lines: readonly string[];
  /** Sets the wall clock of the host off by so much. */
  setClock(offsetMs: number): void;
  /** Makes the sources see another address, which they have never seen. */
  renumber(): string;
  /** The address that the sources see, as they answer when nothing is wrong with them. */
  healSources(): void;
  residentKb(): number;
  hasEnded(): boolean;
  /** SIGTERM; its exit code. */
  endHost(): Promise<number | null>;
  close(): Promise<void>;
}

/** Starts Redis, sources, peers and the host, whose intervals are a hundredth of the usual ones. */
export async function openWorld(): Promise<World> {
  const ends: (() => unknown)[] = [];
  const owner = { after: (end: () => Promise<void>) => void ends.push(end) };
  const folder = mkdtempSync(join(tmpdir(), 'p2p-soak-'));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const redisArgs: string[] = [];
  const server = await startRedisServer({ args: redisArgs });
  ends.push(server.stop);
  const admin = new Redis({ host: '127.0.0.1', port: server.port, maxRetriesPerRequest: null });
  admin.on('error', () => undefined);
  ends.push(() => admin.disconnect());
  const peers = (count: number) => Promise.all(Array.from({ length: count }, () => startPeer(owner)));
  const [sources, consumers, producers] = [await peers(3), await peers(CONSUMERS), await peers(PRODUCERS)];
  await admin.hset('{p2p}:consumers', ...consumers.flatMap(({ address }) => [randomUUID(), address]));
  await admin.hset('{p2p}:producers', ...producers.flatMap(({ address }) => [randomUUID(), address]));
  await admin.mset(Object.fromEntries(Array.from({ length: FILLERS }, (_, n) => [`filler:${n}`, 'x'])));

  let changes = 0;
  const address = () => `198.18.${changes >> 8}.${changes & 0xff}`;
  const healSources = () => {
    for (const source of sources) source.respond({ body: address() });
  };
  const renumber = () => {
    changes += 1;
    healSources();
    return address();
  };
  renumber();

  const clockFile = join(folder, 'clock');
  const { child, lines } = startHost({
    REDIS_URL: server.url,
    IP_SOURCES: sources.map((source) => `http://${source.address}`).join(','),
    SOAK_CLOCK_FILE: clockFile,
  });
  ends.push(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const hostPid = child.pid ?? 0;
  return {
    server,
    redisArgs,
    admin,
    sources,
    consumers,
    producers,
    hostPid,
    lines,
    setClock(offsetMs) {
      writeFileSync(clockFile, String(offsetMs));
      process.kill(hostPid, 'SIGUSR2');
    },
    renumber,
    healSources,
    residentKb: () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${hostPid}/status`, 'utf8'))?.[1]),
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    async endHost() {
      child.kill('SIGTERM');
      const [code] = await ended;
      return code;
    },
    async close() {
      for (const end of ends.reverse()) await end();
    },
  };
}

function startHost(env: NodeJS.ProcessEnv): { child: ChildProcess; lines: string[] } {
  const child = spawn(
    process.execPath,
    [NODE_OPTION, '--import', join(ROOT, 'test/soak/clock-shim.ts'), join(ROOT, 'host/start.ts')],
    {
      env: {
        PATH: process.env.PATH,
        LOCAL_ENV_FILE: '',
        LOCAL_UUID: randomUUID(),
        PEER_ALLOW_CIDRS: '127.0.0.1/32',
        IP_ALLOW_CIDRS: OWN_NETWORK,
        IP_CHECK_INTERVAL_MS: '1000',
        IP_HINTS: 'interface',
        SYNC_INTERVAL_MS: '2000',
        SYNC_TIMEOUT_MS: '1000',
        NOTIFY_TIMEOUT_MS: '1000',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  return { child, lines };
}

/** Runs a command of the system, which has to succeed. */
export function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'pipe' });
}
