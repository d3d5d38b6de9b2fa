import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { noteHead, STACK_NOTE } from '../host/find-environment.ts';
import { isVariable } from '../lib/variables.ts';
import type { Stack } from './env.ts';

/**
 * Leaves a file in `folder` by which the operator's commands find the demo: its variables, and whose they are. What is
 * answered takes it away again.
 */
export function leaveNote(folder: string, { env }: Pick<Stack, 'env'>): () => Promise<void> {
  const note = join(folder, STACK_NOTE);
  const lines = Object.entries(env).flatMap(([name, value]) =>
    isVariable(name) && value && !/["\n]/.test(value) ? [`${name}="${value}"`] : [],
  );
  writeFileSync(note, `${[noteHead(process.pid), ...lines].join('\n')}\n`, { mode: 0o600 });
  return async () => {
    // Another stack in this folder may have left its own since.
    const isOurs = existsSync(note) && readFileSync(note, 'utf8').startsWith(`${noteHead(process.pid)}\n`);
    if (isOurs) rmSync(note, { force: true });
  };
}
