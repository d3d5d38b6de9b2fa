import type { Config } from '../config.ts';
import { EventError, RedisUnavailableError } from '../errors.ts';
import type { Host, Invocation, Invoke, Log } from '../host.ts';
import type { Redis } from '../redis/redis.ts';
import type { Keys } from '../store/keys.ts';
import { beginCheck, type Recorded } from '../store/register.ts';
import { quickReturn as damping, type Return } from './damping.ts';
import { votesAsJson } from './decide.ts';
import { dnsDisagreement, type Observation, observe } from './observe.ts';
import type { Source } from './sources.ts';
import { type IpCheckSummary, report, warningsOf } from './summary.ts';

/** Votes that are older than this when they are to be recorded come from before a pause of the machine. They do not count. */
const MAX_VOTE_AGE_MS = 60_000;

export interface CheckParts {
  readonly config: Pick<Config, 'localUuid' | 'ip' | 'notify'>;
  readonly redis: Redis;
  readonly keys: Keys;
  readonly sources: readonly Source[];
  readonly invoke: Invoke;
  readonly host: Host;
  readonly log: Log;
}

/**
 * Finds out whether this host's public address has changed. If it has, it commits the change, which makes every producer
 * due to be told, and invokes `producer-notify`. It also invokes it if anything else is due and nobody is delivering: a
 * lost invocation costs the time until the next check, not a change.
 *
 * A failing invoke does not fail the check: it is logged as an error, and the next check repeats it. A failure queue
 * would keep this check's event, which says nothing and helps nobody.
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
  const { config, keys, sources, host, log } = parts;
  const { signal } = invocation;
  const { quorum } = config.ip;
  const check = await beginCheck(parts, signal);
  const { register, poisoned, beganMs } = check;
  const { ticket } = register;
  if (poisoned.length > 0) {
    log.warn('The register has fields that cannot be used; they count as absent', {
      key: keys.ip,
      fields: poisoned,
    });
  }

  const observation = await observe(register, { sources, quorum, host, nowMs: check.nowMs }, signal);
  if (signal.aborted) {
    log.warn('The check ended before its result could be recorded; the next one starts afresh', { ticket });
    return { outcome: 'aborted', ticket, asked: observation.asked, notify: 'not-needed' };
  }

  const nowMs = await check.freshNowMs();
  const { verdict, answering, votes } = freshOnly(observation, nowMs - beganMs, log);
  const quickReturn: Return = 'ip' in verdict ? damping(register, verdict.ip, nowMs) : { kind: 'none' };
  const warnings = warningsOf({
    current: register.current,
    verdict,
    quickReturn,
    answering,
    quorum,
    operators: new Set(sources.map(({ operator }) => operator)).size,
    disagreement: dnsDisagreement(votes, sources),
  });
  const recorded = await check
    .record({ verdict, votes, quickReturn, answering, warnings: [...warnings.keys()] })
    .catch((error: unknown) => {
      if (error instanceof RedisUnavailableError && error.mayHaveRun) {
        log.warn('This check may have been recorded or not; the next one finds out', { ticket });
      }
      throw error;
    });

  report(recorded, { ticket, before: register.current, votes: votesAsJson(votes) }, log);
  for (const warning of recorded.warnings) {
    const said = warnings.get(warning);
    if (said !== undefined) log.warn(...said);
  }
  const notify = await startNotify(recorded, parts);
  const { draining: _, warnings: __, ...found } = recorded;
  const answers = answering === undefined ? {} : { answering, redundancyLost: answering < quorum };
  return { ...found, ...answers, ticket, asked: observation.asked, notify };
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
  if (['ip', 'epoch', 'changed'].some((field) => field in event)) {
    throw new EventError(
      'ip-check takes no address: it asks the sources. Invoke producer-notify with {"ip": …} instead.',
    );
  }
}

function freshOnly(observation: Observation, ageMs: number, log: Log): Observation {
  if (ageMs <= MAX_VOTE_AGE_MS) return observation;
  log.warn('The machine paused during the check: what the sources said before the pause does not count', {
    ageMs,
  });
  return { ...observation, verdict: { kind: 'unknown' }, answering: undefined };
}

/**
 * Invokes `producer-notify` after a commit, and whenever anything is due and nobody delivers. Without a current
 * address nothing could be claimed: then it is left alone.
 */
async function startNotify(
  { outcome, ip, epoch, due, draining }: Recorded,
  { config, invoke, log }: Pick<CheckParts, 'config' | 'invoke' | 'log'>,
): Promise<IpCheckSummary['notify']> {
  const committed = outcome === 'changed';
  if (ip === undefined || epoch === undefined || (!committed && due === 0)) return 'not-needed';
  if (!committed && draining) return 'running';
  const { functionName } = config.notify;
  if (functionName === undefined) {
    log.error('Producers are due to be told, but PRODUCER_NOTIFY_FUNCTION is not set', { due, ip, epoch });
    return 'failed';
  }
  try {
    await invoke(functionName, { changed: { ip, epoch } });
    return 'invoked';
  } catch (error) {
    log.error('producer-notify could not be invoked; the next check tries again', { due, ip, epoch, error });
    return 'failed';
  }
}
