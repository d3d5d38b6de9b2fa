import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { ROOT } from '../support/processes.ts';

/** One consumer: a Redis, a consumer API and a host, three processes in a namespace of their own. */
export interface Member {
  readonly name: string;
  readonly uuid: string;
  readonly language: 'TypeScript' | 'Python';
  /** Where it lives now. */
  ip: string;
  readonly redis: Redis;
  /** Names another consumer to it, as an operator does. */
  introduce(other: Pick<Member, 'uuid' | 'ip'>): Promise<void>;
  /** What it knows of each consumer: its address, and what its last probe of that address found. */
  views(): Promise<ReadonlyMap<string, View>>;
  /** How many rounds it has completed. */
  rounds(): Promise<number>;
  /** `kill -9` of its scheduler; resolves when it is gone. */
  killHost(): Promise<void>;
  startHost(): void;
  /** Stops its Redis as a process, so that it answers nobody, or lets it go on. */
  freezeRedis(frozen: boolean): void;
  stop(): Promise<void>;
}

export interface View {
  readonly address: string;
  /** `new` if the health record is about another address. */
  readonly state: string;
}

export interface MemberOptions {
  readonly name: string;
  readonly namespace: string;
  readonly ip: string;
  readonly language: Member['language'];
  /** A folder for its socket and its data. */
  readonly folder: string;
  /** The host's bundle. */
  readonly bundle: string;
  /** Variables of the host and the API. */
  readonly env: Readonly<Record<string, string>>;
}

/** Runs a program in a namespace. It ends with this process, however that ends. */
export function startIn(
  namespace: string,
  [command, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv = {},
): ChildProcess {
  return spawn('ip', ['netns', 'exec', namespace, 'setpriv', '--pdeathsig', 'KILL', command, ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', process.env.P2P_NETWORK_LOG ? 'inherit' : 'ignore'],
  });
}

/** Resolves with the first line of its output that matches. Reads on, so that it never waits for a reader. */
export function lineOf(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error('it has no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (pattern.test(line)) resolve(line);
    });
    child.once('exit', () => reject(new Error(`it ended before it said ${pattern}`)));
  });
}

/** Starts all three. It is ready when this resolves; its first round and check are under way. */
export async function startMember(options: MemberOptions): Promise<Member> {
  const { name, namespace, ip, language, folder, bundle } = options;
  const uuid = randomUUID();
  const socket = join(folder, `${name}.sock`);
  const env = { LOCAL_UUID: uuid, REDIS_URL: 'redis://127.0.0.1:6379', LOCAL_ENV_FILE: '', ...options.env };

  const server = startIn(namespace, [
    'redis-server',
    '--save',
    '',
    '--unixsocket',
    socket,
    '--bind',
    '127.0.0.1',
  ]);
  await lineOf(server, /Ready to accept connections/);
  const redis = new Redis(socket, { lazyConnect: true, maxRetriesPerRequest: 0, commandTimeout: 2_000 });
  redis.on('error', () => undefined);
  await redis.connect();

  const program: [string, ...string[]] =
    language === 'Python'
      ? ['python3', '-B', 'test/fixtures/python/consumer_api.py']
      : [process.execPath, 'kit/consumer-api/start.ts'];
  const api = startIn(namespace, program, { ...env, ADDRESSES: `${ip}:80` });
  await lineOf(api, /listens on port/);

  let host: ChildProcess | undefined;
  const startHost = () => {
    host = startIn(namespace, [process.execPath, bundle, 'host'], env);
    if (host.stdout)
      createInterface({ input: host.stdout }).on('line', (line) => {
        if (process.env.P2P_NETWORK_LOG) console.error(`${name}: ${line}`);
      });
  };
  const end = async (child: ChildProcess | undefined) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };

  return {
    name,
    uuid,
    language,
    ip,
    redis,
    introduce: async (other) => void (await redis.hset('{p2p}:consumers', other.uuid, other.ip)),
    async views() {
      const [entries, health] = await Promise.all([
        redis.hgetall('{p2p}:consumers'),
        redis.hgetall('{p2p}:consumers:health'),
      ]);
      return new Map(
        Object.entries(entries).map(([other, address]) => {
          const record = JSON.parse(health[other] ?? '{}');
          return [other, { address, state: record.address === address ? record.state : 'new' }];
        }),
      );
    },
    rounds: () => redis.xlen('{p2p}:sync:rounds'),
    killHost: () => end(host),
    startHost,
    freezeRedis: (frozen) => void server.kill(frozen ? 'SIGSTOP' : 'SIGCONT'),
    async stop() {
      server.kill('SIGCONT');
      redis.disconnect();
      await Promise.all([end(host), end(api), end(server)]);
    },
  };
}
