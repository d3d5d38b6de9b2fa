import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { createRedis } from '../../lib/redis/client.ts';
import { ROOT } from '../support/processes.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { inhabit, report } from './inhabitant.ts';

/** A machine at home: its Redis, and host processes as `npm run host` starts them, each with keys of its own. */

let server: RedisServer;
const hosts = new Map<string, ChildProcess>();

const prefixOf = (name: string) => `{${name}}:`;

/** Starts a program of the checkout with the keys and the environment of a host. */
function start(name: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  return spawn(process.execPath, ['--require', './local/preflight.cjs', ...args], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS,
      LOCAL_ENV_FILE: '',
      REDIS_URL: server.url,
      REDIS_PREFIX: prefixOf(name),
      PEER_ALLOW_CIDRS: '198.51.100.0/24',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function stopHost(name: string): Promise<void> {
  const child = hosts.get(name);
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

inhabit(
  {
    async start() {
      server = await startRedisServer();
    },
    async command(name: string, command: string, key: string, ...args: (string | number)[]) {
      const redis = createRedis({ url: server.url });
      try {
        const [reply] = await redis.send([[command, `${prefixOf(name)}${key}`, ...args]], {
          repeatable: true,
        });
        return reply;
      } finally {
        await redis.close();
      }
    },
    /** Starts a host; its lines are reported. */
    host(name: string, env: NodeJS.ProcessEnv) {
      const child = start(name, ['host/start.ts'], env);
      hosts.set(name, child);
      createInterface({ input: child.stdout }).on('line', (line) => report({ host: name, line }));
    },
    /** Runs an operator's command; what it writes to stdout. */
    p2p: (name: string, env: NodeJS.ProcessEnv, ...args: string[]) =>
      text(start(name, ['cli/p2p.ts', ...args], env).stdout),
    residentKb: (name: string) =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${hosts.get(name)?.pid}/status`, 'utf8'))?.[1]),
    stopHost,
  },
  async () => {
    for (const name of hosts.keys()) await stopHost(name);
    await server?.stop();
  },
);
