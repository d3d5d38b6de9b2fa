import { createParts } from '../lib/app.ts';
import type { Config } from '../lib/config.ts';
import type { Host, Log } from '../lib/host.ts';
import { readReport } from '../report/report.ts';
import { createReporter } from '../report/reporter.ts';
import { createAlerts, type LookForAlerts } from './alerts/alerts.ts';
import { sendMessage } from './alerts/send.ts';
import { createHeartbeat } from './heartbeat.ts';
import { runPageService } from './page-service.ts';
import type { RunResult } from './run.ts';

export interface WatchingOptions {
  readonly config: Config;
  readonly log: Log;
  readonly host: Host;
}

/** What the operator sees and hears of this process: the status page, the heartbeat and the alerts, as configured. */
export interface Watching {
  /** Gets what each run came to. */
  onResult(result: RunResult): void;
  /** Serves and looks until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const LOOK_EVERY_MS = 60_000;

/**
 * Everything here reads Redis over a connection of its own, so that whoever looks does not hold up the jobs.
 *
 * @throws ConfigError if the URL or the token of Redis cannot be used.
 */
export function createWatching({ config, log, host }: WatchingOptions): Watching {
  const { page, heartbeatUrl, alertUrl } = config.host;
  const heartbeat = heartbeatUrl === undefined ? undefined : createHeartbeat({ url: heartbeatUrl, log });
  if (page === undefined && alertUrl === undefined) {
    return { onResult: (result) => heartbeat?.(result), run: async () => undefined };
  }
  const invoke = async () => {
    throw new Error('Whoever looks starts no job.');
  };
  const parts = createParts({ config, log, invoke, host });
  const ending = new AbortController();
  const lookForAlerts =
    alertUrl &&
    createAlerts({
      parts,
      report: () => readReport(parts, 'verdict'),
      send: (message) => sendMessage(alertUrl, message, ending.signal),
      log,
    });
  return {
    onResult(result) {
      heartbeat?.(result);
      // A change of the address is told at once, not within a minute.
      const changed =
        result.kind === 'done' && result.job === 'ip-check' && result.summary.outcome === 'changed';
      if (changed) void lookForAlerts?.();
    },
    async run(signal) {
      signal.addEventListener('abort', () => ending.abort(), { once: true });
      await Promise.all([
        page && runPageService({ page, report: createReporter(parts, 'page'), log, host }, signal),
        lookForAlerts && lookRegularly(lookForAlerts, host, signal),
      ]);
      await parts.redis.close();
    },
  };
}

async function lookRegularly(
  look: LookForAlerts,
  host: Pick<Host, 'sleep'>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await look();
    await host.sleep(LOOK_EVERY_MS, signal);
  }
}
