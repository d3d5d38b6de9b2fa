import { type Config, loadConfig } from '../lib/config.ts';
import { ConfigError } from '../lib/errors.ts';
import type { Environment } from './env-file.ts';
import { LEVELS, type Level, LINE_FORMATS, type LineFormat } from './line-writer.ts';

/** What a host runs with. */
export interface Settings {
  readonly config: Config;
  readonly log: { readonly level: Level; readonly format: LineFormat };
}

/** Variables of a host alone; on Lambda the log is Powertools'. */
export const HOST_DEFAULTS = { LOG_LEVEL: 'INFO', LOG_FORMAT: 'text' } as const;

/** The names under which the jobs invoke each other in this process, whatever the functions of a Lambda are called. */
const OWN_NAMES = { SYNC_FUNCTION: 'sync', PRODUCER_NOTIFY_FUNCTION: 'producer-notify' } as const;

/**
 * Reads and validates everything. `POWERTOOLS_LOG_LEVEL`, which the functions have, counts where `LOG_LEVEL` is not set.
 *
 * @throws ConfigError naming every bad variable.
 */
export function readSettings(env: Environment): Settings {
  const faults: string[] = [];
  const choose = <Choice extends string>(name: string, given: string, choices: readonly Choice[]) => {
    const chosen = choices.find((choice) => choice.toLowerCase() === given.toLowerCase());
    if (chosen === undefined) faults.push(`${name} must be one of ${choices.join(', ')}`);
    return chosen;
  };
  const level = choose(
    'LOG_LEVEL',
    env.LOG_LEVEL || env.POWERTOOLS_LOG_LEVEL || HOST_DEFAULTS.LOG_LEVEL,
    LEVELS,
  );
  const format = choose('LOG_FORMAT', env.LOG_FORMAT || HOST_DEFAULTS.LOG_FORMAT, LINE_FORMATS);
  let config: Config | undefined;
  try {
    config = loadConfig({ ...env, ...OWN_NAMES });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.unshift(...error.faults);
  }
  if (config === undefined || level === undefined || format === undefined) throw new ConfigError(faults);
  return { config, log: { level, format } };
}
