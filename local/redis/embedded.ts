import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface EmbeddedRedis {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly pid: number;
  /** Resolves when the process has ended, also by itself. */
  readonly exited: Promise<void>;
  /** Ends the process, and with it all data. Resolves when it is gone; calling it again is fine. */
  close(): Promise<void>;
  /** Lets our process end although it still runs. It ends with us. */
  unref(): void;
}

const CHILD = fileURLToPath(new URL('./embedded-child.ts', import.meta.url));

/**
 * Starts an empty Redis made of JavaScript (js-redis-server) on 127.0.0.1, in a process of its own: its larger scripts
 * would block ours. Data is in memory only. It is not in our process group, so that a Ctrl-C ends it in our order, and
 * it dies with us however we die.
 *
 * @param options.port 0, the default, takes a free one.
 * @throws Error if the port cannot be used or the process does not start.
 */
export async function startEmbeddedRedis({ port = 0 }: { port?: number } = {}): Promise<EmbeddedRedis> {
  const child = fork(CHILD, [String(port)], { detached: true, execArgv: [], stdio: 'ignore' });
  const exited = once(child, 'exit');
  const gone = exited.then(() => undefined);
  const close = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  const unref = () => {
    child.unref();
    child.channel?.unref();
  };
  const [report] = await Promise.race([once(child, 'message'), exited]);
  if (typeof report === 'object' && report !== null && typeof report.port === 'number') {
    return { url: `redis://127.0.0.1:${report.port}`, pid: child.pid ?? -1, exited: gone, close, unref };
  }
  await close();
  throw new Error(`The embedded Redis did not start: ${report?.error ?? `its process ended (${report})`}`);
}
