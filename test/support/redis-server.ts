import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isFree } from './ports.ts';

/** A real redis-server on 127.0.0.1, in a temporary folder of its own. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  /** Of the process that runs now; another one after `restart`. */
  readonly pid: number;
  /** SIGKILL: what is not on disk is lost. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Ends it by SIGKILL if it still runs, and starts it on the same port and folder. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. Calling it again is fine. */
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** Append-only file with `appendfsync always`: an acknowledged write survives `kill`. Default: nothing is kept. */
  readonly aof?: boolean;
  /** More arguments, e.g. `['--requirepass', 'x']`. */
  readonly args?: readonly string[];
}

/** The server that all tests use. TEST_REDIS_SERVER names another engine's (test/engines). */
const BINARY = process.env.TEST_REDIS_SERVER || 'redis-server';

let installed: boolean | undefined;

export function hasRealRedis(): boolean {
  installed ??= spawnSync(BINARY, ['--version'], { stdio: 'ignore' }).status === 0;
  return installed;
}

/**
 * Options for a test that needs a real redis-server: skipped, with the reason, where there is none.
 *
 * @throws Error where CI is set: there, a missing redis-server must not look like a pass.
 */
export function needsRealRedis(): { skip?: string } {
  if (hasRealRedis()) return {};
  if (process.env.CI) throw new Error('CI needs a redis-server in PATH: tests must not be skipped there.');
  return { skip: 'NEEDS redis-server in PATH (apt-get install redis-server, brew install redis)' };
}

/**
 * Starts a real redis-server without a test around it (benchmarks, chaos runs): the caller has to `stop` it. Should the
 * caller die first, it is killed and its folder removed.
 *
 * @throws Error if there is none, or it does not start.
 */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  if (!hasRealRedis())
    throw new Error('There is no redis-server in PATH. Guard the test with needsRealRedis().');
  const dir = await mkdtemp(join(tmpdir(), 'p2p-redis-'));
  let running: Running | undefined;
  let port = 0;
  try {
    for (let attempts = 1; running === undefined; attempts++) {
      port = await freePort();
      running = await launch(dir, port, options).catch((error) => {
        // Somebody else took the port in the meantime.
        if (attempts >= 5) throw error;
        return undefined;
      });
    }
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
  let current = running;
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    dir,
    get pid() {
      return current.pid;
    },
    kill: () => current.kill(),
    async restart() {
      await current.kill();
      current = await launch(dir, port, options);
    },
    async stop() {
      await current.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

interface Running {
  readonly pid: number;
  kill(): Promise<void>;
}

async function launch(dir: string, port: number, { aof = false, args = [] }: RedisServerOptions) {
  const server = spawn(
    BINARY,
    [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--daemonize', 'no'],
      ...(aof ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']),
      ...args,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const exited = once(server, 'exit');
  const lines: string[] = [];
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: server.stdout }).on('line', (line) => {
      lines.push(line);
      if (/Ready to accept connections/.test(line)) resolve();
    });
    exited.then(
      () => reject(new Error(`redis-server ended at its start:\n${lines.slice(-5).join('\n')}`)),
      reject,
    );
  });
  await ready;
  const pid = server.pid ?? -1;
  const watcher = cleanUpAfterUs(pid, dir);
  return {
    pid,
    async kill() {
      server.kill('SIGKILL');
      await exited;
      if (watcher.stdin?.writable) watcher.stdin.end('stand down\n');
    },
  };
}

/** A shell that waits for the end of its input, which our death is, and then kills the process and removes its folder. */
function cleanUpAfterUs(pid: number, dir: string): ChildProcess {
  const watcher = spawn(
    'sh',
    ['-c', 'read -r word || { kill -9 "$1"; rm -rf "$2"; }', 'sh', String(pid), dir],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    },
  );
  watcher.unref();
  return watcher;
}

/** Below the range from which the system gives ports to outgoing connections, which would take it in the meantime. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port)) return port;
  }
}
