import type { AppParts } from '../app.ts';
import { EventError, RedisUnavailableError } from '../errors.ts';
import type { Invocation, Log } from '../host.ts';
import { createRedisClock } from '../redis/clock.ts';
import { dnsDisagreement, type Observation, observe } from './observe.ts';
import { compactVotes, type Recorded, recordCheck } from './record.ts';
import { type IpCheckSummary, report, summarize } from './summary.ts';
import { takeTicket } from './ticket.ts';

/** Votes that took longer than this to get recorded were given before a pause of the machine, and are none. */
const MAX_VOTE_AGE_MS = 60_000;

export type { IpCheckSummary } from './summary.ts';

export type CheckParts = Pick<AppParts, 'config' | 'redis' | 'keys' | 'sources' | 'invoke' | 'host' | 'log'>;

/**
 * Finds out whether this host's public address has changed, and commits the change: every producer is due to be told
 * then, and `producer-notify` is invoked. It is also invoked if anything else is due and nobody is delivering: a
 * lost invocation costs the time until the next check, not a change.
 *
 * A failing invoke does not fail the check: it is logged as an error, and the next check repeats it. What a failure
 * queue would keep is this check's event, which says nothing and helps nobody.
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

/**
 * An address or epoch sent here was meant for `producer-notify`; whoever sent it has to know that nothing came of
 * it.
 */
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
 * Invokes `producer-notify` after a commit, and whenever anything is due and nobody delivers. Without a current
 * address nothing could be claimed: then it is left alone.
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
