import type { OptionName } from './arguments.ts';
import type { Context } from './context.ts';
import { UsageError } from './errors.ts';
import type { ExitCode } from './exit-code.ts';

/** One command of `p2p`. */
export interface Command {
  readonly name: string;
  /** How it is called, the name left out; a line each. */
  readonly usage: readonly string[];
  readonly summary: string;
  /** What the help says beside. */
  readonly details: readonly string[];
  /** Beside `COMMON_OPTIONS`. */
  readonly options: readonly OptionName[];
  /** Options that do nothing unless another one is there, or is not there. */
  readonly combinations?: readonly (readonly [OptionName, 'with' | 'without', OptionName])[];
  /** Set where the output is no JSON, whatever is asked: `--json` is refused. */
  readonly noJson?: true;
  /** @returns an exit code: one of `EXIT`, or the host's own. */
  run(context: Context): Promise<ExitCode | number>;
}

/** Options that every command takes; a few have no `--json`. */
export const COMMON_OPTIONS: readonly OptionName[] = ['json', 'env-file', 'help'];

/** All options of a command, its own first. */
export function optionsOf({ options, noJson }: Command): OptionName[] {
  return [...options, ...COMMON_OPTIONS.filter((name) => name !== 'json' || noJson !== true)];
}

/** @throws UsageError for an option that the command does not have, or that does nothing in this company. */
export function refuseStrayOptions(command: Command, given: readonly OptionName[]): void {
  const { name, combinations = [] } = command;
  const known = optionsOf(command);
  const other = given.find((option) => !known.includes(option));
  if (other !== undefined) throw new UsageError(`${name} has no option --${other}.`, name);
  for (const [option, how, partner] of combinations) {
    if (!given.includes(option) || given.includes(partner) === (how === 'with')) continue;
    const text = how === 'with' ? `does nothing without --${partner}` : `does not go with --${partner}`;
    throw new UsageError(`--${option} ${text}.`, name);
  }
}
/** How a command finds its consumer, and what its exit code means. */
export const HELP_NOTE =
  'Configured by environment variables and .env, like the scheduler itself. Without either a command is about the demo of npm start that runs in this folder, or else about the host that is installed on this machine. Exit codes: 0 well or done, 1 something needs attention or was not done, 2 wrong usage, 3 Redis, AWS or the configuration is not usable.';
