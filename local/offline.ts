import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, startChild } from './children.ts';
import { StartError } from './lifecycle.ts';

export interface OfflineOptions {
  /** The project's folder. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Of the Lambda endpoint, on 127.0.0.1. */
  readonly port: number;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

const READY_WITHIN_MS = 120_000;
const LAST_WORDS = 15;
/** How serverless begins its report of a failure. After a failed build it does not end by itself. */
const FAILURE = /^Error:/;
const REPORT_MS = 1_000;

/**
 * Starts `serverless offline` with the functions and schedules of serverless.yml, and resolves when its Lambda endpoint
 * answers.
 *
 * It is the script of the package that is run, not `npx`: killing that leaves its child on the port.
 *
 * @throws StartError with the last lines of its output, if it ends or stays silent instead.
 */
export async function startOffline(options: OfflineOptions): Promise<Child> {
  const { folder, env, port, onLine, signal } = options;
  const buildFolder = join('.esbuild', `offline-${port}`);
  const lastWords: string[] = [];
  const failed = Promise.withResolvers<false>();
  const child = startChild({
    script: join(folder, 'node_modules', 'serverless', 'bin', 'serverless.js'),
    args: ['offline', '--noSponsor'],
    env: {
      ...env,
      LOCAL_LAMBDA_PORT: String(port),
      // A file `.env` is part of `env` where it is to be read.
      READ_DOTENV: 'no',
      ESBUILD_FOLDER: buildFolder,
      SLS_DEPRECATION_DISABLE: '*',
      FORCE_COLOR: '0',
    },
    cwd: folder,
    onLine: (line) => {
      if (line.trim() !== '' && !/^\s+at /.test(line)) lastWords.push(line);
      if (lastWords.length > LAST_WORDS) lastWords.shift();
      if (FAILURE.test(line)) setTimeout(() => failed.resolve(false), REPORT_MS);
      onLine(line);
    },
  });
  const stop = async () => {
    await child.stop();
    await rm(join(folder, buildFolder), { recursive: true, force: true });
  };
  const over = new AbortController();
  const gone = child.exited.then(() => false);
  const isReady = await Promise.race([
    listensBefore(port, AbortSignal.any([signal, over.signal])),
    gone,
    failed.promise,
  ]);
  over.abort();
  if (isReady) return { ...child, stop };
  await stop();
  signal.throwIfAborted();
  throw new StartError(['"serverless offline" did not start. Its last lines:', ...lastWords].join('\n  '));
}

/** Whether something listens on the port before `signal` aborts, or the time is over. */
async function listensBefore(port: number, signal: AbortSignal): Promise<boolean> {
  const until = performance.now() + READY_WITHIN_MS;
  while (!signal.aborted && performance.now() < until) {
    if (await listens(port)) return true;
    await delay(100);
  }
  return false;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
