import { createBootClock } from '../../../host/clock.ts';
import { createJobs, type Jobs, type JobsOptions } from '../../../host/jobs.ts';
import { createTrouble } from '../../../host/trouble.ts';
import { type Config, loadConfig } from '../../../lib/config.ts';
import { type Host, type Log, systemHost } from '../../../lib/host.ts';
import { SECOND_LOOK_MS } from '../../../lib/ip/observe.ts';
import { createLineWriter } from '../../../lib/line-writer.ts';
import { createLog, createScrub } from '../../../lib/log.ts';
import { createFeed } from '../../support/feed.ts';
import type { Owner } from '../../support/owner.ts';

export const LOCAL_UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';

/** This machine, but for the pause between two looks at a new address. */
export const quickHost: Host = {
  ...systemHost,
  sleep: (ms, signal) => (ms === SECOND_LOOK_MS ? Promise.resolve() : systemHost.sleep(ms, signal)),
};

export function configOf(env: Readonly<Record<string, string | undefined>>): Config {
  return loadConfig({
    LOCAL_UUID,
    PEER_ALLOW_CIDRS: '127.0.0.1/32',
    IP_SOURCES: 'static:203.0.113.7',
    IP_ALLOW_CIDRS: '203.0.113.0/24',
    SYNC_FUNCTION: 'sync',
    PRODUCER_NOTIFY_FUNCTION: 'producer-notify',
    ...env,
  });
}

export interface TestLog {
  readonly log: Log;
  readonly lines: readonly string[];
  /** Resolves when so many lines match. Pair it with the test's timeout. */
  matching(pattern: RegExp, count?: number): Promise<readonly string[]>;
}

/** A log as the host writes it, kept. */
export function keepLog(): TestLog {
  const lines = createFeed<string>();
  return {
    log: createLog(createLineWriter({ write: lines.push, level: 'INFO', format: 'text' }), createScrub([])),
    lines: lines.items,
    matching: (pattern, count) => lines.matching((line) => pattern.test(line), count),
  };
}

/** The jobs of a host, without its schedules. Ended after the test. */
export function startJobs(
  t: Owner,
  config: Config,
  { kept = keepLog(), ...given }: Partial<JobsOptions> & { readonly kept?: TestLog } = {},
): Jobs & TestLog {
  const host = given.host ?? quickHost;
  const clock = given.clock ?? createBootClock(host);
  const { log } = kept;
  const jobs = createJobs({
    config,
    log,
    host,
    clock,
    onResult: createTrouble({ log, clock }).onResult,
    ...given,
  });
  t.after(() => jobs.end(0));
  return {
    ...kept,
    run: jobs.run,
    invoke: jobs.invoke,
    end: jobs.end,
    get leftBehind() {
      return jobs.leftBehind;
    },
  };
}
