import type { Log } from '../host.ts';
import type { Ip } from '../peers/ip-space.ts';
import type { CommitCounts, Recorded, StaleReason } from './record.ts';
import type { Epoch } from './register.ts';

/** Of checks in a row that find nothing out, the first is logged as a warning, and then each so many-th. */
const UNKNOWN_LOG_EVERY = 60;

/**
 * What a check came to. A type and not an interface, so that it is a plain JSON record.
 *
 * `outcome`: `confirmed` (the address is as it was), `changed` (a new one was committed), `counted` or `waiting` (a
 * contested new address: this check is one of the three, or came too soon after the last), `unknown` (the sources
 * did not settle it: the address stays), `stale` (another check or the operator was faster: nothing was recorded),
 * `aborted` (the invocation ended first).
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

/** Logs what a check came to: what an operator has to know above the level of debugging, and never a quiet check. */
export function report(
  { outcome, current: ip, epoch, unknownChecks, due }: Recorded,
  { ticket, before, votes }: { ticket: number; before: Ip | undefined; votes: string },
  log: Log,
): void {
  switch (outcome.kind) {
    case 'confirmed':
      log.debug('The address is confirmed', { ticket, ip, due });
      break;
    case 'changed':
      log.info('The address has changed', { ticket, from: before, ip, epoch, votes, ...outcome.counts });
      if (outcome.counts.skipped > 0) {
        log.warn('Producers whose uuid is none are not told', { skipped: outcome.counts.skipped });
      }
      break;
    case 'counted':
    case 'waiting':
      log.info('A new address is contested, or the previous one is back; three checks decide', {
        ticket,
        ip,
        votes,
        checks: outcome.checks,
        counts: outcome.kind === 'counted',
      });
      break;
    case 'unknown': {
      const level = unknownChecks % UNKNOWN_LOG_EVERY === 1 ? 'warn' : 'debug';
      log[level]('The sources did not settle what the address is; it stays as it was', {
        ticket,
        ip,
        votes,
        unknownChecks,
      });
      break;
    }
    case 'stale':
      log.info('The check was not recorded', { ticket, ip, epoch, reason: outcome.reason });
  }
}

/** The summary that the function answers. */
export function summarize(
  { outcome, current, epoch, due, unknownChecks }: Recorded,
  rest: Pick<IpCheckSummary, 'ticket' | 'asked' | 'notify'>,
): IpCheckSummary {
  return {
    outcome: outcome.kind,
    ...(outcome.kind === 'stale' ? { reason: outcome.reason } : {}),
    ...(current === undefined ? {} : { ip: current }),
    ...(epoch === undefined ? {} : { epoch }),
    ...('checks' in outcome ? { checks: outcome.checks } : {}),
    ...(outcome.kind === 'changed' ? { commit: outcome.counts } : {}),
    unknownChecks,
    due,
    ...rest,
  };
}
