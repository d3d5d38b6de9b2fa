import { createParts } from '../lib/app.ts';
import type { Config } from '../lib/config.ts';
import type { Host, Log } from '../lib/host.ts';
import { createReporter } from '../report/reporter.ts';
import { runPageService } from './page-service.ts';

export interface WatchingOptions {
  readonly config: Config;
  readonly log: Log;
  readonly host: Host;
}

/** What the operator sees and hears of this process. */
export interface Watching {
  /** Resolves when all of it has ended, after the signal's abort. Never rejects. */
  readonly ended: Promise<void>;
}

/**
 * Starts the status page, if it is configured. It reads Redis over a connection of its own, so that whoever looks does not
 * hold up the jobs.
 *
 * @throws ConfigError if the URL or the token of Redis cannot be used.
 */
export function startWatching({ config, log, host }: WatchingOptions, signal: AbortSignal): Watching {
  const { page } = config.host;
  if (page === undefined) return { ended: Promise.resolve() };
  const invoke = async () => {
    throw new Error('Whoever looks starts no job.');
  };
  const parts = createParts({ config, log, invoke, host });
  const serving = runPageService({ page, report: createReporter(parts, 'page'), log, host }, signal);
  return { ended: serving.then(() => parts.redis.close()) };
}
