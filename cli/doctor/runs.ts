import type { Config } from '../../lib/config.ts';
import type { Register } from '../../lib/ip/register.ts';
import type { Round } from '../../report/read/rounds.ts';
import { isStale } from '../../report/read/stale.ts';
import { relative } from '../../report/text/time.ts';
import { unknownChecksWords } from '../../report/words.ts';
import { type Finding, failure, ok, present, warning } from './finding.ts';

const HOW_TO_START =
  'Is the host process up (systemctl status p2p-scheduler), or are the schedules on AWS enabled?';

/** Whether the jobs run, by the traces that they leave. Pure. */
export function checkRuns(
  { sync, ip }: Config,
  { register, rounds, nowMs }: { register: Register; rounds: readonly Round[]; nowMs: number },
): Finding[] {
  const [last] = rounds;
  return present([
    ofJob('checks', 'IP check', register.checkedAt, ip.intervalMs, nowMs),
    register.unknownChecks > 0 ? unknowns(register, nowMs) : undefined,
    ofJob('rounds', 'round', last?.at, sync.intervalMs, nowMs),
    last?.inconclusive
      ? warning(
          'rounds',
          'the last round found our own network down',
          'Was it? If not: do the IP sources answer?',
        )
      : undefined,
  ]);
}

function ofJob(
  about: string,
  what: string,
  at: number | undefined,
  periodMs: number,
  nowMs: number,
): Finding {
  if (at === undefined) return warning(about, `no ${what} has been recorded yet`, HOW_TO_START);
  if (!isStale(at, periodMs, nowMs)) return ok(about, `the last ${what} was ${relative(at, nowMs)}`);
  if (at > nowMs) {
    return failure(about, `the last ${what} lies in the future`, "Redis's clock was set back: put it right.");
  }
  return failure(about, `no ${what} for a while: the last was ${relative(at, nowMs)}`, HOW_TO_START);
}

function unknowns({ unknownChecks, verifiedAt }: Register, nowMs: number): Finding {
  const since =
    verifiedAt === undefined ? '' : `; the address was last confirmed ${relative(verifiedAt, nowMs)}`;
  return warning('checks', `${unknownChecksWords(unknownChecks)}${since}`, 'See the sources above.');
}
