import { RedisReplyError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Return } from '../ip/damping.ts';
import { type Verdict, votesAsJson } from '../ip/decide.ts';
import { type Epoch, parseEpoch, parseRegister, type Register } from '../ip/register.ts';
import type { Vote } from '../ip/sources.ts';
import { type Ip, parseIp } from '../peers/ip-space.ts';
import type { Uuid } from '../peers/uuid.ts';
import { createRedisClock } from '../redis/clock.ts';
import type { Redis, Reply } from '../redis/redis.ts';
import { COMMIT_TIMEOUT_MS, type CommitCounts, parseCounts } from './commit.lua.ts';
import { verifyIdentity } from './identity.ts';
import type { Keys } from './keys.ts';
import { BEGIN_CHECK, RECORD_CHECK } from './register.lua.ts';
import { listOf, repliesTo } from './replies.ts';

/** After so long, or three periods if that is more, the counting for a contested address starts again. */
const CANDIDATE_EXPIRY_MS = 600_000;

/**
 * - `confirmed`: the address is as it was. `changed`: a new one was committed.
 * - `counted`: a contested new address; this check is one of three. `waiting`: it came too soon after the last one.
 * - `damped`: a former address is back, and comes back too often: the address stays for now.
 * - `unknown`: the sources did not settle it: the address stays.
 * - `stale`: nothing was recorded.
 */
const OUTCOMES = ['confirmed', 'changed', 'counted', 'waiting', 'damped', 'unknown', 'stale'] as const;

/**
 * Why nothing was recorded: this very check had been recorded already (its first reply was lost), a newer one had, Redis
 * lost its data since, or the address is no longer the one that the verdict is about.
 */
const STALE_REASONS = ['repeated', 'overtaken', 'data-loss', 'epoch'] as const;

/**
 * - `warnedAt`: a `dns:` source names another address than the `https://` sources see.
 * - `answeringWarnedAt`: fewer operators answer than `IP_QUORUM`.
 * - `dampedAt`: a return to a former address waits. The script gives it only if that is the outcome.
 * - `history`: the change that was committed could not be written into `ip:history`.
 */
const WARNINGS = ['warnedAt', 'answeringWarnedAt', 'dampedAt', 'history'] as const;

/** A warning that a check may give. Most are named by the field of the register that keeps when it was last given. */
export type Warning = (typeof WARNINGS)[number];

/** What a check brings to be recorded. */
export interface Finding {
  readonly verdict: Verdict;
  readonly votes: readonly Vote[];
  /** What damping says about the address of a `counts` or `change` verdict. */
  readonly quickReturn: Return;
  /** How many operators answered; undefined if not all were asked. */
  readonly answering: number | undefined;
  /** Warnings that are called for, whether or not they were given today. */
  readonly warnings: readonly Warning[];
}

/** What recording a check came to. */
export interface Recorded {
  readonly outcome: (typeof OUTCOMES)[number];
  /** Why it is `stale`. */
  readonly reason?: (typeof STALE_REASONS)[number];
  /** The current address and its epoch after it, whoever wrote them. */
  readonly ip?: Ip;
  readonly epoch?: Epoch;
  /** Checks that have counted for the contested address. */
  readonly checks?: number;
  /** What a commit did; absent where an earlier sending did it whose reply was lost. */
  readonly commit?: CommitCounts;
  /** Deliveries that are due by now. */
  readonly due: number;
  /** Whether somebody delivers them: holds `lease:notify`. False where none is due. */
  readonly draining: boolean;
  /** Recorded checks in a row that found nothing out. */
  readonly unknownChecks: number;
  /** The warnings to log now. */
  readonly warnings: readonly Warning[];
}

/** A check that has begun: it has a ticket. */
export interface Check {
  readonly register: Register;
  /** Fields of the register that cannot be used and count as absent. */
  readonly poisoned: readonly string[];
  /** When it began, ms of Redis's time. */
  readonly beganMs: number;
  /** Whole milliseconds by Redis's clock. */
  nowMs(): number;
  /** The same, but reads TIME again where this process was stopped since it was last read, or the reply was slow. */
  freshNowMs(): Promise<number>;
  /**
   * Trip 2 of a check, one script; its rules are at `RECORD_CHECK`. It may run twice: a repetition that finds its own
   * commit done answers `changed`, any other one answers `stale` for the reason `repeated`. Either way it says what is
   * due, so that a commit whose reply was lost is delivered like any other.
   *
   * @throws RedisUnavailableError if no answer arrived. With `mayHaveRun` the check may be recorded or not.
   * @throws RedisReplyError if a key holds the wrong type: nothing was written.
   */
  record(finding: Finding): Promise<Recorded>;
}

export interface CheckStoreParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly host: Pick<Host, 'monotonicMs' | 'wallMs'>;
  readonly config: { readonly localUuid: Uuid; readonly ip: { readonly intervalMs: number } };
}

/**
 * Trip 1 of a check: the time, whose Redis this is, a new ticket, the register.
 *
 * @throws IdentityError if the Redis belongs to another consumer: nothing was written.
 * @throws RedisUnavailableError if no answer arrived. A ticket may have been taken; tickets may be missing from the order.
 * @throws RedisReplyError if a key holds the wrong type: nothing was written.
 */
export async function beginCheck(
  { redis, keys, host, config: { localUuid, ip } }: CheckStoreParts,
  signal: AbortSignal,
): Promise<Check> {
  const clock = createRedisClock(host);
  const freshNowMs = async () => {
    await clock.refresh(redis, signal);
    return clock.nowMs();
  };
  const read = clock.startReading();
  const [time, begun] = await repliesTo(
    redis,
    [['TIME'], { script: BEGIN_CHECK, keys: [keys.uuid, keys.ip], args: [localUuid] }],
    { signal },
  );
  read(time);
  const [uuid, fields] = listOf(begun);
  const identity = uuid === '' && fields !== undefined ? null : uuid;
  await verifyIdentity(identity, { redis, keys, localUuid, signal });
  const { register, poisoned } = parseRegister(fields);
  const beganMs = await freshNowMs();

  return {
    register,
    poisoned,
    beganMs,
    nowMs: clock.nowMs,
    freshNowMs,
    async record({ verdict, votes, quickReturn, answering, warnings }) {
      const mayCommit = 'ip' in verdict;
      const [reply] = await repliesTo(
        redis,
        [
          {
            script: RECORD_CHECK,
            keys: [
              ...[keys.ip, keys.ipHistory, keys.producers, keys.deliveries, keys.due],
              keys.lease('notify'),
            ],
            args: [
              register.ticket,
              register.epoch ?? 0,
              beganMs,
              await freshNowMs(),
              verdict.kind,
              mayCommit ? verdict.ip : '',
              votesAsJson(votes),
              Math.max(CANDIDATE_EXPIRY_MS, 3 * ip.intervalMs),
              answering ?? '',
              quickReturn.kind === 'waits' ? 1 : 0,
              ...(quickReturn.kind === 'taken' ? [quickReturn.returns, quickReturn.returnsAt] : ['', '']),
              ...warnings,
            ],
          },
        ],
        { signal, ...(mayCommit && { timeoutMs: COMMIT_TIMEOUT_MS }) },
      );
      return readRecorded(reply);
    },
  };
}

function readRecorded(reply: Reply | undefined): Recorded {
  const fields = listOf(reply).map(String);
  const [kind, why, current, rawEpoch, due, held, checks, unknownChecks, given, ...counts] = fields;
  const outcome = OUTCOMES.find((one) => one === kind);
  const reason = STALE_REASONS.find((one) => one === why);
  if (outcome === undefined || (outcome === 'stale') !== (reason !== undefined)) {
    throw new RedisReplyError('ERR unexpected reply from the script that records a check');
  }
  const ip = parseIp(current);
  const epoch = parseEpoch(rawEpoch);
  return {
    outcome,
    ...(reason !== undefined && { reason }),
    ...(ip !== undefined && { ip }),
    ...(epoch !== undefined && { epoch }),
    ...((outcome === 'counted' || outcome === 'waiting') && { checks: Number(checks) }),
    ...(counts.length > 0 && { commit: parseCounts(counts) }),
    due: Number(due),
    draining: held === '1',
    unknownChecks: Number(unknownChecks),
    warnings: WARNINGS.filter((warning) => given?.split(',').includes(warning)),
  };
}
