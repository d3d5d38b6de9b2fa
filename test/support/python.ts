import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Owner } from './owner.ts';

/** Starts a peer of `test/fixtures/python` on a port of its own. Answers the port. */
export async function startPythonPeer(
  t: Owner,
  peer: 'consumer_api' | 'producer',
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const script = fileURLToPath(new URL(`../fixtures/python/${peer}.py`, import.meta.url));
  const child: ChildProcess = spawn('python3', ['-B', script], {
    env: { PATH: process.env.PATH, LISTEN: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  if (child.stdout === null) throw new Error('python3 has no output');
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    exited.then(() => Promise.reject(new Error(`${peer}.py ended at its start`))),
  ]);
  return Number(/\d+$/.exec(String(line))?.[0]);
}
