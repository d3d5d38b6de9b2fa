import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Owner } from '../support/owner.ts';
import { ROOT } from '../support/processes.ts';

/** The commands of docs/DEPLOYING.md that are marked `sh runbook:<name>`, by that name. */
export async function readRunbook(): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(path.join(ROOT, 'docs/DEPLOYING.md'), 'utf8');
  return new Map(
    [...text.matchAll(/^```sh runbook:([a-z-]+)\n([\s\S]*?)^```$/gm)].map(([, name = '', commands = '']) => [
      name,
      commands,
    ]),
  );
}

export interface Shell {
  /**
   * Runs commands as an operator types them: in one shell, so that exported variables stay.
   *
   * @throws Error with the output if one of them fails.
   */
  run(commands: string): Promise<string>;
}

const END = '--- end of the commands ---';

export function startShell(t: Owner, cwd: string, env: NodeJS.ProcessEnv): Shell {
  const bash = spawn('bash', ['-e', '-o', 'pipefail'], { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => void bash.kill());
  let onLine = (_line: string) => {};
  for (const input of [bash.stdout, bash.stderr]) {
    createInterface({ input }).on('line', (line) => onLine(line));
  }
  const gone = once(bash, 'exit');
  return {
    async run(commands) {
      const lines: string[] = [];
      const ended = new Promise<void>((resolve) => {
        onLine = (line) => (line === END ? resolve() : lines.push(line));
      });
      // Commands read their own input, not what comes next.
      bash.stdin.write(`{\n${commands}\n} </dev/null 2>&1\necho '${END}'\n`);
      await Promise.race([
        ended,
        gone.then(() => Promise.reject(new Error(`A command failed:\n${commands}\n${lines.join('\n')}`))),
      ]);
      return lines.join('\n');
    },
  };
}
