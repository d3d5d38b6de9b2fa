import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The folder of this project. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CACHES = join(ROOT, 'node_modules/.cache');

/**
 * An environment for a program of its own, with nothing of this machine but where programs are. It can find what Node and
 * Serverless have compiled before: without that, most programs of the tests would compile for longer than they run.
 */
export function programEnv(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return {
    PATH,
    ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }),
    SLS_SCHEMA_CACHE_BASE_DIR: CACHES,
    ...env,
  };
}

/** Runs a script of this project in a Node of its own, in its folder; answers how that ended and all that it wrote. */
export function runScript(script: string, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { cwd: ROOT }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr });
    });
  });
}

/** Resolves when no process has this id any more (a zombie that waits for its parent counts as gone). */
export async function processGone(pid: number): Promise<void> {
  while (listProcesses().some((process) => process.pid === pid)) await delay(50);
}

/** The ids of all processes that `pid` has started, directly or not. */
export function descendants(pid: number): number[] {
  const all = listProcesses();
  const below = (parent: number): number[] =>
    all.filter(({ ppid }) => ppid === parent).flatMap((child) => [child.pid, ...below(child.pid)]);
  return below(pid);
}

interface ProcessEntry {
  readonly pid: number;
  readonly ppid: number;
}

/** All processes that run. From /proc, since slim images have no `ps`; by `ps` on macOS, which has no /proc. */
function listProcesses(): ProcessEntry[] {
  if (!existsSync('/proc/self/stat')) {
    return parseRows(execFileSync('ps', ['-A', '-o', 'state=,ppid=,pid='], { encoding: 'utf8' }));
  }
  const rows = readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const [state, ppid] = readFileSync(`/proc/${entry}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return [`${state} ${ppid} ${entry}`];
    } catch {
      return [];
    }
  });
  return parseRows(rows.join('\n'));
}

function parseRows(table: string): ProcessEntry[] {
  return table
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .filter(([state]) => !state?.startsWith('Z'))
    .map(([, ppid, pid]) => ({ pid: Number(pid), ppid: Number(ppid) }));
}
