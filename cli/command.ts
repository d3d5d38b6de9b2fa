import type { OptionName } from './arguments.ts';
import type { Context } from './context.ts';
import type { ExitCode } from './exit-code.ts';

/** One command of `p2p`. */
export interface Command {
  readonly name: string;
  /** How it is called, the name left out; a line each. */
  readonly usage: readonly string[];
  readonly summary: string;
  /** What the help says beside. */
  readonly details: readonly string[];
  /** Beside `--json`, `--env-file` and `--help`, which all have. */
  readonly options: readonly OptionName[];
  /** @returns an exit code: one of `EXIT`, or the host's own. */
  run(context: Context): Promise<ExitCode | number>;
}

/** Options that every command takes. */
export const COMMON_OPTIONS: readonly OptionName[] = ['json', 'env-file', 'help'];
/** How a command finds its consumer, and what its exit code means. */
export const HELP_NOTE =
  'Configured by environment variables and .env, like the scheduler itself. Without either a command is about the demo of npm start that runs in this folder, or else about the host that is installed on this machine. Exit codes: 0 well or done, 1 something needs attention or was not done, 2 wrong usage, 3 Redis, AWS or the configuration is not usable.';
