import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Owner } from './owner.ts';

/** Runs the text of a module in a Node of its own, in the project's folder, with more environment. */
export function runModule(t: Owner, source: string, env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: new URL('../..', import.meta.url),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  /** Its exit code and signal. */
  const exited = once(child, 'exit');
  t.after(() => void child.kill('SIGKILL'));
  const firstLine = once(createInterface({ input: child.stdout }), 'line').then(([line]) => String(line));
  return { child, exited, firstLine };
}
