import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createRedis } from '../../lib/redis/client.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { ROOT } from '../support/service.ts';
import { inhabit, report } from './inhabitant.ts';

/** A machine at home: its Redis, and host processes as `npm run host` starts them, each with keys of its own. */

let server: RedisServer;
const hosts = new Map<string, ChildProcess>();

const prefixOf = (name: string) => `{${name}}:`;

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
      const child = spawn(process.execPath, ['--require', './local/preflight.cjs', 'host/start.ts'], {
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
      hosts.set(name, child);
      createInterface({ input: child.stdout }).on('line', (line) => report({ host: name, line }));
    },
    residentKb: (name: string) =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${hosts.get(name)?.pid}/status`, 'utf8'))?.[1]),
    stopHost,
  },
  async () => {
    for (const name of hosts.keys()) await stopHost(name);
    await server?.stop();
  },
);
