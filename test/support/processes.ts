import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

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

function listProcesses(): { pid: number; ppid: number }[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,state='], { encoding: 'utf8' });
  return table
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , state]) => !state?.startsWith('Z'))
    .map(([pid, ppid]) => ({ pid: Number(pid), ppid: Number(ppid) }));
}
