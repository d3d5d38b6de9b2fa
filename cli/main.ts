import type { Environment } from '../lib/config.ts';
import { runCommand } from './run.ts';
import { processTerminal } from './terminal.ts';

/**
 * `p2p <command>`: runs the command line that `argv` holds (the program's own name left out) in this process, and resolves
 * with its exit code (`EXIT`, or of `host` its own). `env` is the exported variables; a `.env` in the current folder is
 * read under them. Never rejects. The caller ends the process.
 *
 * @example
 * process.exit(await runCli(process.argv.slice(2), process.env));
 */
export function runCli(argv: readonly string[], env: Environment): Promise<number> {
  return runCommand(argv, processTerminal(env));
}
