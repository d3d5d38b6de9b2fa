import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** How a child ended: its exit code, or the signal that ended it. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly pid: number;
  /** Resolves when the process is gone and its output was read. Never rejects. */
  readonly exited: Promise<ChildExit>;
  /** SIGTERM to its process group, SIGKILL after `graceMs`. Resolves when it is gone; calling it again is fine. */
  stop(graceMs?: number): Promise<void>;
  /** SIGKILL to its process group, now. */
  kill(): void;
}

export interface ChildSpec {
  /** The script that this Node runs. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Called with each line of stdout and stderr. */
  readonly onLine: (line: string) => void;
}

const END_WITH_PARENT = fileURLToPath(new URL('./end-with-parent.cjs', import.meta.url));
const STOP_GRACE_MS = 7_000;

/**
 * Starts a Node script as a child in a process group of its own, so that a Ctrl-C in the terminal reaches this process
 * alone, which then ends the children in order. A child also ends when this process dies, however it dies.
 */
export function startChild({ script, args = [], env, cwd, onLine }: ChildSpec): Child {
  const child = spawn(process.execPath, ['--require', END_WITH_PARENT, script, ...args], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on('line', onLine);
  }
  const exited = new Promise<ChildExit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: 1, signal: null }));
  });
  const signalGroup = (signal: NodeJS.Signals) => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // ESRCH: the group is gone, which is what was wanted.
    }
  };

  return {
    pid: child.pid ?? -1,
    exited,
    async stop(graceMs = STOP_GRACE_MS) {
      if (child.exitCode === null && child.signalCode === null) signalGroup('SIGTERM');
      const timer = setTimeout(() => signalGroup('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
      signalGroup('SIGKILL');
    },
    kill: () => signalGroup('SIGKILL'),
  };
}
