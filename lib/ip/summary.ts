import type { Log, LogFields } from '../host.ts';
import type { Ip } from '../peers/ip-space.ts';
import type { Recorded, Warning } from '../store/register.ts';
import type { Return } from './damping.ts';
import type { Verdict } from './decide.ts';

/** Of checks in a row that find nothing out, the first is logged as a warning, then every 60th one. */
const UNKNOWN_LOG_EVERY = 60;

/**
 * What a check came to. A type and not an interface, so that it is a plain JSON record. `aborted`: the invocation ended
 * before the check could be recorded.
 *
 * `notify`: `invoked`, `running` (somebody is delivering already), `not-needed`, or `failed`: then what is due waits
 * for the next check.
 */
export type IpCheckSummary = Partial<Omit<Recorded, 'outcome' | 'draining' | 'warnings'>> & {
  readonly outcome: Recorded['outcome'] | 'aborted';
  readonly ticket: number;
  /** How often a source was asked. */
  readonly asked: number;
  /** How many operators answered, where all were asked. */
  readonly answering?: number;
  /** Where all were asked: whether fewer operators answered than must agree on a change. */
  readonly redundancyLost?: boolean;
  readonly notify: 'invoked' | 'running' | 'not-needed' | 'failed';
};

/** Logs the outcome of a check. A quiet check is a debug line. */
export function report(
  { outcome, reason, ip, epoch, checks, unknownChecks, commit, due, warnings }: Recorded,
  { ticket, before, votes }: { ticket: number; before: Ip | undefined; votes: string },
  log: Log,
): void {
  switch (outcome) {
    case 'confirmed':
      log.debug(`Our address is still ${ip}`, { ticket, ip, due });
      break;
    case 'changed': {
      const what =
        before === undefined ? `Our address is ${ip}` : `Our address changed from ${before} to ${ip}`;
      const known = commit === undefined ? due : commit.due + commit.leased;
      log.info(`${what}: ${producers(known)} due`, { ticket, from: before, ip, epoch, votes, ...commit });
      if (commit !== undefined && commit.skipped > 0) {
        log.warn(`Skipped ${producers(commit.skipped, false)}: their key in \`producers\` is not a UUID`);
      }
      if (warnings.includes('history')) {
        log.warn('The change is not in the history: the key `ip:history` cannot be written; see `doctor`');
      }
      break;
    }
    case 'counted':
    case 'waiting':
      log.info(
        'Sources report a new address, but it is contested or was ours until just now: three checks decide',
        { ticket, ip, votes, checks, counts: outcome === 'counted' },
      );
      break;
    case 'damped':
      log.debug('A former address is back, and its return waits', { ticket, ip, votes });
      break;
    case 'unknown': {
      const level = unknownChecks % UNKNOWN_LOG_EVERY === 1 ? 'warn' : 'debug';
      log[level]('The sources do not settle what our address is; it stays as it was', {
        ticket,
        ip,
        votes,
        unknownChecks,
      });
      break;
    }
    case 'stale':
      log.info('The check was not recorded: another one, or the operator, was faster', {
        ticket,
        ip,
        epoch,
        reason,
      });
  }
}

/** What a check saw that an operator may have to be warned of. */
export interface Circumstances {
  readonly current: Ip | undefined;
  readonly verdict: Verdict;
  readonly quickReturn: Return;
  readonly answering: number | undefined;
  readonly quorum: number;
  readonly operators: number;
  readonly disagreement: { readonly named: Ip; readonly seen: Ip } | undefined;
}

/** The warnings that are called for: for each its text and fields. Whether one was given today, the register knows. */
export function warningsOf(seen: Circumstances): ReadonlyMap<Warning, [string, LogFields]> {
  const { current, verdict, quickReturn, answering, quorum, operators, disagreement } = seen;
  const called = new Map<Warning, [string, LogFields]>();
  if (disagreement !== undefined) {
    called.set('warnedAt', [
      'A dns: source names another address than the https:// sources see: peers may know this host by two addresses',
      { ...disagreement },
    ]);
  }
  if (answering !== undefined && answering < quorum) {
    called.set('answeringWarnedAt', [
      `A change of our address would not be noticed: ${answering} of ${operators} operators of IP sources ` +
        `${answering === 1 ? 'answers' : 'answer'}, and ${quorum} must agree. \`doctor\` asks each of them`,
      { answering, operators, quorum },
    ]);
  }
  if ('ip' in verdict && quickReturn.kind === 'waits') {
    called.set('dampedAt', [
      `Our address goes to and fro between ${current} and ${verdict.ip}: its next return waits, an hour at most. ` +
        'The likely cause is a host with two uplinks, or two hosts that use this Redis',
      { current, back: verdict.ip, untilMs: quickReturn.untilMs },
    ]);
  }
  return called;
}

function producers(count: number, verb = true): string {
  const noun = count === 1 ? '1 producer' : `${count} producers`;
  return verb ? `${noun} ${count === 1 ? 'is' : 'are'}` : noun;
}
