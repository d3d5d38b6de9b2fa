import type { GivenEnvironment } from '../host/env-file.ts';
import { findEnvironment } from '../host/find-environment.ts';
import { type AppParts, createParts } from '../lib/app.ts';
import { type Config, loadConfig } from '../lib/config.ts';
import type { Invoke } from '../lib/host.ts';
import { secretsOf } from '../lib/log.ts';
import type { Arguments } from './arguments.ts';
import { UsageError } from './errors.ts';
import { createJobLog } from './jobs/log.ts';
import type { Terminal } from './terminal.ts';
import type { Screen } from './text/screen.ts';

/** What a command gets. */
export interface Context {
  readonly args: Arguments;
  readonly terminal: Terminal;
  readonly screen: Screen;
  /** Has these texts replaced wherever an error shows them. */
  hide(secrets: readonly string[]): void;
  /** `text` without what was to be hidden. */
  scrub(text: string): string;
  /** A line on stderr, harmless, its secrets hidden. */
  note(text: string): void;
}

/** The names by which the jobs start each other in this process. A round is never split here: no name for `sync`. */
const OWN_NAMES = { SYNC_FUNCTION: '', PRODUCER_NOTIFY_FUNCTION: 'producer-notify' };

/**
 * The exported variables, and under them those of the file that `--env-file` names, or else of the one that
 * `findEnvironment` finds.
 *
 * @throws ConfigError if a file that was named cannot be read, UsageError if the option names none.
 */
export function environmentOf({ args, terminal }: Pick<Context, 'args' | 'terminal'>): GivenEnvironment {
  const named = args.text('env-file');
  if (named === '') throw new UsageError('--env-file names no file.');
  return findEnvironment(terminal.folder, {
    ...terminal.env,
    ...(named === undefined ? {} : { LOCAL_ENV_FILE: named }),
  });
}

/** @throws ConfigError naming every bad variable. */
export function configOf(context: Context): Config {
  const { env, origin } = environmentOf(context);
  const config = loadConfig({ ...env, ...OWN_NAMES }, origin);
  context.hide(secretsOf(config));
  return config;
}

/**
 * Gives `work` the parts of the scheduler as the configuration has them, and closes the connections afterwards.
 *
 * @throws ConfigError, and what `work` throws.
 */
export async function withParts<Result>(
  context: Context,
  work: (parts: AppParts) => Promise<Result>,
  { invoke = refuse }: { invoke?: Invoke } = {},
): Promise<Result> {
  const parts = createParts({
    config: configOf(context),
    log: createJobLog(context),
    invoke,
    ...context.terminal.brought,
  });
  try {
    return await work(parts);
  } finally {
    if (context.terminal.brought?.redis === undefined) await parts.redis.close();
  }
}

const refuse: Invoke = async () => {
  throw new Error('This command starts no other job.');
};
