import type { Config, Environment } from '../../lib/config.ts';
import type { Round } from '../../report/read/rounds.ts';
import { visible } from '../../report/text/escape.ts';
import { duration } from '../../report/text/time.ts';
import { type Finding, failure, ok, present, warning } from './finding.ts';

const UNITS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/**
 * Holds each schedule against its interval. The schedules are AWS's (`rate(5 minutes)`); on a host the intervals are the
 * schedule. Where none is given, the distance between the last rounds tells. Pure.
 */
export function checkSchedules({ sync, ip }: Config, env: Environment, rounds: readonly Round[]): Finding[] {
  const findings = present([
    compare('SYNC_SCHEDULE', env.SYNC_SCHEDULE, 'SYNC_INTERVAL_MS', sync.intervalMs),
    compare('IP_CHECK_SCHEDULE', env.IP_CHECK_SCHEDULE, 'IP_CHECK_INTERVAL_MS', ip.intervalMs),
    env.SYNC_SCHEDULE ? undefined : observed(rounds, sync.intervalMs),
  ]);
  if (findings.length > 0) return findings;
  return [ok('schedule', `a round every ${whole(sync.intervalMs)}, a check every ${whole(ip.intervalMs)}`)];
}

function compare(
  name: string,
  schedule: string | undefined,
  variable: string,
  intervalMs: number,
): Finding | undefined {
  if (!schedule) return undefined;
  const shown = visible(schedule, 40);
  const everyMs = readRate(schedule);
  if (everyMs === 'cron') {
    return warning(
      'schedule',
      `${name} is ${shown}: it was not compared with ${variable}`,
      `${variable} has to be the time between two runs; now it is ${whole(intervalMs)}.`,
    );
  }
  if (everyMs === undefined) {
    return failure(
      'schedule',
      `${name} is ${shown}, which AWS does not take`,
      'Write it like rate(5 minutes) or rate(1 minute).',
    );
  }
  if (everyMs === intervalMs) return undefined;
  return warning(
    'schedule',
    `${name} is ${shown}, but ${variable} says ${whole(intervalMs)}`,
    `Set ${variable}=${everyMs}, or change the schedule: due times and what counts as stale go by it.`,
  );
}

/** Milliseconds of a rate; singular for 1 and plural for more, as AWS wants it. */
function readRate(schedule: string): number | 'cron' | undefined {
  if (/^(cron|at)\(.+\)$/.test(schedule)) return 'cron';
  const [, digits, unit, plural] = /^rate\((\d{1,6}) (minute|hour|day)(s?)\)$/.exec(schedule) ?? [];
  const count = Number(digits);
  if (unit === undefined || count === 0 || (count === 1) !== (plural === '')) return undefined;
  return count * (UNITS[unit] ?? 0);
}

/** So many distances between rounds are looked at, and so many there must be: one restart or round by hand is not a habit. */
const MOST_DISTANCES = 11;
const LEAST_DISTANCES = 5;

/**
 * A host runs a round at each of its starts, and somebody may run one by hand: the median distance says what the schedule
 * is, and it has to be off by a third.
 */
function observed(rounds: readonly Round[], intervalMs: number): Finding | undefined {
  const distances = rounds
    .slice(0, MOST_DISTANCES + 1)
    .flatMap(({ at }, i) => {
      const older = rounds[i + 1];
      return older === undefined ? [] : [at - older.at];
    })
    .slice(0, MOST_DISTANCES)
    .sort((a, b) => a - b);
  const median = distances[Math.floor(distances.length / 2)];
  if (median === undefined || distances.length < LEAST_DISTANCES) return undefined;
  if (median >= (2 * intervalMs) / 3 && median <= (4 * intervalMs) / 3) return undefined;
  return warning(
    'schedule',
    `rounds come every ${duration(median)} or so, but SYNC_INTERVAL_MS says ${whole(intervalMs)}`,
    'Make SYNC_INTERVAL_MS and the schedule the same, unless somebody ran rounds by hand.',
  );
}

function whole(ms: number): string {
  return duration(ms).replace('.0', '');
}
