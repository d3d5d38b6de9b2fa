import type { AppParts } from '../app.ts';
import { EventError, RedisUnavailableError } from '../errors.ts';
import type { Invocation, Log } from '../invocation.ts';
import type { Ip } from '../peers/ip-space.ts';
import { createRedisClock } from '../redis/clock.ts';
import { dnsDisagreement, type Observation, observe } from './observe.ts';
import { type CommitCounts, compactVotes, type Recorded, recordCheck } from './record.ts';
import type { Epoch } from './register.ts';
import { takeTicket } from './ticket.ts';

/** Votes that took longer than this to get recorded were given before a pause of the machine, and are none. */
const MAX_VOTE_AGE_MS = 60_000;
/** Of checks in a row that find nothing out, the first is logged as a warning, and then each so many-th. */
const UNKNOWN_LOG_EVERY = 60;

export type CheckParts = Pick<AppParts, 'config' | 'redis' | 'keys' | 'sources' | 'invoke' | 'host' | 'log'>;

/**
 * What a check came to. A type and not an interface, so that it is a plain JSON record.
 *
 * `outcome`: `confirmed` (the address is as it was), `changed` (a new one was committed), `counted` or `waiting` (a contested new
 * address: this check is one of the three, or came too soon after the last), `unknown` (the sources did not settle it: the
 * address stays), `stale` (another check or the operator was faster: nothing was recorded), `aborted` (the invocation ended first).
 *
 * `notify`: `invoked`, `running` (somebody is delivering already), `not-needed`, or `failed`: then what is due waits for
 * the next check.
 */
export type IpCheckSummary = {
  readonly outcome: Recorded['outcome']['kind'] | 'aborted';
  /** Why it is `stale`. */
  readonly reason?: string;
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

/**
 * Finds out whether this host's public address has changed, and commits the change: every producer is due to be told then,
 * and `producer-notify` is invoked. It is also invoked if anything else is due and nobody is delivering: a lost invocation
 * costs the time until the next check, not a change.
 *
 * A failing invoke does not fail the check: it is logged as an error, and the next check repeats it. What a failure queue
 * would keep is this check's event, which says nothing and helps nobody.
 *
 * @throws EventError for an event that is not meant for this function.
 * @throws IdentityError for another consumer's Redis.
 * @throws RedisUnavailableError where Redis did not answer: if the check may have been recorded, the next one finds out.
 * @throws RedisReplyError where a key holds the wrong type: nothing was written.
 */
export async function runIpCheck(
  event: unknown,
  invocation: Invocation,
  parts: CheckParts,
): Promise<IpCheckSummary> {
  refuseForeignFields(event);
  const { config, redis, keys, sources, host, log } = parts;
  const { signal } = invocation;
  const clock = createRedisClock(host);

  const { register, poisoned } = await takeTicket({
    redis,
    keys,
    localUuid: config.localUuid,
    clock,
    signal,
  });
  const { ticket } = register;
  if (poisoned.length > 0) {
    log.warn('The register has fields that cannot be used; they count as absent', {
      key: keys.ip,
      fields: poisoned,
    });
  }
  await clock.refresh(redis, signal);
  const beganMs = clock.nowMs();

  const observation = await observe(
    register,
    { sources, quorum: config.ip.quorum, host, nowMs: () => clock.nowMs() },
    signal,
  );
  if (signal.aborted) {
    log.warn('The check ended before its result could be recorded; the next one starts afresh', { ticket });
    return { outcome: 'aborted', ticket, asked: observation.asked, notify: 'not-needed' };
  }

  await clock.refresh(redis, signal);
  const nowMs = clock.nowMs();
  const { verdict, votes } = freshOnly(observation, nowMs - beganMs, log);
  const disagreement = dnsDisagreement(votes, sources);
  const recorded = await recordCheck(
    { redis, keys, periodMs: config.ip.intervalMs, signal },
    { register, verdict, votes, beganMs, nowMs, dnsDisagrees: disagreement !== undefined },
  ).catch((error: unknown) => {
    if (error instanceof RedisUnavailableError && error.mayHaveRun) {
      log.warn('This check may have been recorded or not; the next one finds out', { ticket });
    }
    throw error;
  });

  report(recorded, { ticket, before: register.current, votes: compactVotes(votes) }, log);
  if (recorded.warn && disagreement !== undefined) {
    log.warn(
      'A dns: source names another address than the https:// sources see: peers may know this host by two addresses',
      disagreement,
    );
  }
  const notify = await startNotify(recorded, parts);
  return summarize(recorded, { ticket, asked: observation.asked, notify });
}

/** An address or epoch sent here was meant for `producer-notify`; whoever sent it has to know that nothing came of it. */
function refuseForeignFields(event: unknown): void {
  if (event === undefined || event === null) return;
  if (typeof event !== 'object' || Array.isArray(event)) {
    throw new EventError('The event of ip-check must be a JSON object; {} will do.');
  }
  if ('ip' in event || 'epoch' in event) {
    throw new EventError(
      'ip-check takes no address: it asks the sources. Invoke producer-notify with {"ip": …} instead.',
    );
  }
}

function freshOnly(
  observation: Observation,
  ageMs: number,
  log: Log,
): Pick<Observation, 'verdict' | 'votes'> {
  if (ageMs <= MAX_VOTE_AGE_MS) return observation;
  log.warn('The machine paused during the check: what the sources said before counts for nothing', { ageMs });
  return { verdict: { kind: 'unknown' }, votes: observation.votes };
}

/**
 * Invokes `producer-notify` after a commit, and whenever anything is due and nobody delivers. Without a current address
 * nothing could be claimed: then it is left alone.
 */
async function startNotify(
  { outcome, current: ip, epoch, due, draining }: Recorded,
  { config, invoke, log }: Pick<CheckParts, 'config' | 'invoke' | 'log'>,
): Promise<IpCheckSummary['notify']> {
  const committed = outcome.kind === 'changed';
  if (ip === undefined || epoch === undefined || (!committed && due === 0)) return 'not-needed';
  if (!committed && draining) return 'running';
  const { functionName } = config.notify;
  if (functionName === undefined) {
    log.error('Producers are due to be told, but PRODUCER_NOTIFY_FUNCTION is not set', { due, ip, epoch });
    return 'failed';
  }
  try {
    await invoke(functionName, { ip, epoch });
    return 'invoked';
  } catch (error) {
    log.error('producer-notify could not be invoked; the next check tries again', { due, ip, epoch, error });
    return 'failed';
  }
}

function report(
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

function summarize(
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
