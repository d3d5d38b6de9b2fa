import type { Log } from '../host.ts';
import type { Ip } from '../peers/ip-space.ts';
import type { CommitCounts, Recorded, StaleReason } from '../store/register.ts';
import type { Return } from './damping.ts';
import type { Verdict } from './decide.ts';
import type { Epoch } from './register.ts';

/** Of checks in a row that find nothing out, the first is logged as a warning, then every 60th one. */
const UNKNOWN_LOG_EVERY = 60;

/**
 * What a check came to. A type and not an interface, so that it is a plain JSON record.
 *
 * `outcome`: `confirmed` (the address is as it was), `changed` (a new one was committed), `counted` or `waiting` (a
 * contested new address: this check is one of the three, or came too soon after the last), `damped` (a former address is
 * back, and comes back too often: the address stays for now), `unknown` (the sources did not settle it: the address
 * stays), `stale` (another check or the operator was faster: nothing was recorded), `aborted` (the invocation ended
 * first).
 *
 * `notify`: `invoked`, `running` (somebody is delivering already), `not-needed`, or `failed`: then what is due waits
 * for the next check.
 */
export type IpCheckSummary = {
  readonly outcome: Recorded['outcome']['kind'] | 'aborted';
  /** Why it is `stale`. */
  readonly reason?: StaleReason;
  readonly ticket: number;
  /** The current address and its epoch after the check. */
  readonly ip?: Ip;
  readonly epoch?: Epoch;
  /** How often a source was asked. */
  readonly asked: number;
  /** How many operators answered, where all were asked. */
  readonly answering?: number;
  /** Where all were asked: whether fewer operators answered than must agree on a change. */
  readonly redundancyLost?: boolean;
  /** Checks that have counted for the contested address. */
  readonly checks?: number;
  /** Checks in a row that found nothing out. */
  readonly unknownChecks?: number;
  /** What a commit did. */
  readonly commit?: CommitCounts;
  /** Deliveries that are due. */
  readonly due?: number;
  readonly notify: 'invoked' | 'running' | 'not-needed' | 'failed';
};

/** Logs the outcome of a check. A quiet check is a debug line. */
export function report(
  { outcome, current: ip, epoch, unknownChecks, due }: Recorded,
  { ticket, before, votes }: { ticket: number; before: Ip | undefined; votes: string },
  log: Log,
): void {
  switch (outcome.kind) {
    case 'confirmed':
      log.debug(`Our address is still ${ip}`, { ticket, ip, due });
      break;
    case 'changed': {
      const { counts } = outcome;
      const what =
        before === undefined ? `Our address is ${ip}` : `Our address changed from ${before} to ${ip}`;
      const known = counts === undefined ? due : counts.due + counts.leased;
      log.info(`${what}: ${producers(known)} due`, { ticket, from: before, ip, epoch, votes, ...counts });
      if (counts !== undefined && counts.skipped > 0) {
        log.warn(`Skipped ${producers(counts.skipped, false)}: their key in \`producers\` is not a UUID`);
      }
      if (!outcome.historyWritten) {
        log.warn('The change is not in the history: the key `ip:history` cannot be written; see `doctor`');
      }
      break;
    }
    case 'counted':
    case 'waiting':
      log.info(
        'Sources report a new address, but it is contested or was ours until just now: three checks decide',
        { ticket, ip, votes, checks: outcome.checks, counts: outcome.kind === 'counted' },
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
        reason: outcome.reason,
      });
  }
}

/** What the warnings of a check are about. */
interface Circumstances {
  readonly verdict: Verdict;
  readonly quickReturn: Return;
  readonly answering: number | undefined;
  readonly quorum: number;
  readonly operators: number;
  readonly disagreement: { readonly named: Ip; readonly seen: Ip } | undefined;
}

/** Logs the warnings that are due, each once a day at most. */
export function warn({ warnings, current }: Recorded, about: Circumstances, log: Log): void {
  const { verdict, quickReturn, answering, quorum, operators, disagreement } = about;
  for (const warning of warnings) {
    switch (warning) {
      case 'warnedAt':
        log.warn(
          'A dns: source names another address than the https:// sources see: peers may know this host by two addresses',
          { ...disagreement },
        );
        break;
      case 'answeringWarnedAt':
        log.warn(
          `A change of our address would not be noticed: ${answering} of ${operators} operators of IP sources ` +
            `${answering === 1 ? 'answers' : 'answer'}, and ${quorum} must agree. \`doctor\` asks each of them`,
          { answering, operators, quorum },
        );
        break;
      case 'dampedAt':
        if (!('ip' in verdict) || quickReturn.kind !== 'waits') break;
        log.warn(
          `Our address goes to and fro between ${current} and ${verdict.ip}: its next return waits, an hour at most. ` +
            'The likely cause is a host with two uplinks, or two hosts that use this Redis',
          { current, back: verdict.ip, untilMs: quickReturn.untilMs },
        );
    }
  }
}

function producers(count: number, verb = true): string {
  const noun = count === 1 ? '1 producer' : `${count} producers`;
  return verb ? `${noun} ${count === 1 ? 'is' : 'are'}` : noun;
}

/** The summary that the function answers. */
export function summarize(
  { outcome, current, epoch, due, unknownChecks }: Recorded,
  {
    answering,
    quorum,
    ...rest
  }: Pick<IpCheckSummary, 'ticket' | 'asked' | 'notify'> & {
    answering: number | undefined;
    quorum: number;
  },
): IpCheckSummary {
  return {
    outcome: outcome.kind,
    ...(outcome.kind === 'stale' ? { reason: outcome.reason } : {}),
    ...(current === undefined ? {} : { ip: current }),
    ...(epoch === undefined ? {} : { epoch }),
    ...('checks' in outcome ? { checks: outcome.checks } : {}),
    ...(outcome.kind === 'changed' && outcome.counts !== undefined ? { commit: outcome.counts } : {}),
    ...(answering === undefined ? {} : { answering, redundancyLost: answering < quorum }),
    unknownChecks,
    due,
    ...rest,
  };
}
