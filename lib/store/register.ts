import { RedisReplyError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Return } from '../ip/damping.ts';
import { type Verdict, votesAsJson } from '../ip/decide.ts';
import { CHECKS_NEEDED, type Epoch, parseEpoch, parseRegister, type Register } from '../ip/register.ts';
import type { Vote } from '../ip/sources.ts';
import { type Ip, parseIp } from '../peers/ip-space.ts';
import type { Uuid } from '../peers/uuid.ts';
import { createRedisClock, type RedisClock } from '../redis/clock.ts';
import type { Redis, Reply, ScriptCall, SendOptions } from '../redis/redis.ts';
import { LONGEST_LEASE_MS, LONGEST_WAIT_MS } from './delivery-record.ts';
import { identityCommand, verifyIdentity } from './identity.ts';
import type { Keys } from './keys.ts';
import { BEGIN_CHECK, COMMIT_MANUAL, RECORD_CHECK } from './register.lua.ts';

/** A check counts for a contested address only if it began so long after the last one that counted. */
const CHECK_GAP_MS = 20_000;
/** After so long, or three periods if that is more, the counting for a contested address starts again. */
const CANDIDATE_EXPIRY_MS = 600_000;
/** Each warning is given once a day at most. */
const WARN_PERIOD_MS = 86_400_000;
/** A commit over 100,000 producers takes 1.5 s of Redis at worst. */
const COMMIT_TIMEOUT_MS = 10_000;

/**
 * Why nothing was recorded: this very check had been recorded already (its first reply was lost), a newer one had, Redis
 * lost its data since, or the address is no longer the one that the verdict is about.
 */
export type StaleReason = 'repeated' | 'overtaken' | 'data-loss' | 'epoch';

/** What a commit did, in numbers. */
export interface CommitCounts {
  /** Producers that became due. */
  readonly due: number;
  /** Deliveries left alone because they have a lease; whoever finds it ended sees that the epoch has changed. */
  readonly leased: number;
  /** Entries of `producers` whose key is not a UUID. */
  readonly skipped: number;
  /** Deliveries of producers that a day of looks has not found in `producers`. */
  readonly dropped: number;
  /** Records that nothing needs any more. */
  readonly removed: number;
}

export type RecordOutcome =
  | { readonly kind: 'confirmed' | 'unknown' | 'damped' }
  /** The check counts, or came too soon after the last one to count; `checks` have counted by now. */
  | { readonly kind: 'counted' | 'waiting'; readonly checks: number }
  /** `counts` is absent where the commit was done by an earlier sending whose reply was lost. */
  | { readonly kind: 'changed'; readonly counts?: CommitCounts; readonly historyWritten: boolean }
  | { readonly kind: 'stale'; readonly reason: StaleReason };

/** A warning that a check may give, named by the field of the register that keeps when it was last given. */
export type Warning = (typeof WARNINGS)[number];

/**
 * - `warnedAt`: a `dns:` source names another address than the `https://` sources see.
 * - `answeringWarnedAt`: fewer operators answer than `IP_QUORUM`.
 * - `dampedAt`: a return to a former address waits. The script gives it only if that is the outcome.
 */
const WARNINGS = ['warnedAt', 'answeringWarnedAt', 'dampedAt'] as const;

/** The result of trip 2. `current` and `epoch` are the register's after it, whoever wrote them. */
export interface Recorded {
  readonly outcome: RecordOutcome;
  readonly current: Ip | undefined;
  readonly epoch: Epoch | undefined;
  /** Deliveries that are due by now. */
  readonly due: number;
  /** Whether somebody holds `lease:notify`. */
  readonly draining: boolean;
  /** Recorded checks in a row that found nothing out. */
  readonly unknownChecks: number;
  /** The warnings to log now. */
  readonly warnings: readonly Warning[];
}

/** What a check brings to trip 2. */
export interface Finding {
  /** As `beginCheck` read it. */
  readonly register: Register;
  readonly verdict: Verdict;
  readonly votes: readonly Vote[];
  /** When the check began, by Redis's clock. */
  readonly beganMs: number;
  /** What damping says about the address of a `counts` or `change` verdict. */
  readonly quickReturn: Return;
  /** How many operators answered; undefined if not all were asked. */
  readonly answering: number | undefined;
  /** Warnings that are called for, whether or not they were given today. */
  readonly warnings: readonly Warning[];
}

export type OperatorsWord =
  | { readonly kind: 'committed'; readonly epoch: Epoch; readonly counts: CommitCounts }
  /** This id was committed before. `epoch` is the register's now, of this change or of a later one. */
  | { readonly kind: 'repeated'; readonly epoch?: Epoch };

/** The register in Redis, for one invocation. It owns that invocation's reading of Redis's clock. */
export interface RegisterStore {
  /** Whole milliseconds by Redis's clock. Throws before the first method that asks Redis. */
  nowMs(): number;
  /** The same, but reads TIME again where this process was stopped since it was last read, or the reply was slow. */
  freshNowMs(): Promise<number>;
  /**
   * Trip 1 of a check: the time, whose Redis this is, a new ticket, the register. `poisoned` names fields of the register
   * that cannot be used and count as absent.
   *
   * @throws IdentityError if the Redis belongs to another consumer: nothing was written.
   * @throws RedisUnavailableError if no answer arrived. A ticket may have been taken; tickets may be missing from the order.
   * @throws RedisReplyError if a key holds the wrong type: nothing was written.
   */
  beginCheck(): Promise<{ readonly register: Register; readonly poisoned: readonly string[] }>;
  /**
   * Trip 2 of a check, one script; its rules are at `RECORD_CHECK`. It may run twice: a repetition that finds its own
   * commit done answers `changed`, any other one answers `stale` for the reason `repeated`. Either way it says what is
   * due, so that a commit whose reply was lost is delivered like any other.
   *
   * @throws RedisUnavailableError if no answer arrived. With `mayHaveRun` the check may be recorded or not.
   * @throws RedisReplyError if a key holds the wrong type: nothing was written.
   */
  recordCheck(finding: Finding): Promise<Recorded>;
  /**
   * Commits an address because the operator says so: always a new change, also for the address that is current, once per
   * `id` (`awsRequestId`, or an id that the host makes once per command; the last 20 are known). The sources win
   * afterwards. It is sent again after a lost reply: a commit that had been done is `repeated` then, and has to be
   * delivered all the same.
   *
   * @throws IdentityError if the Redis belongs to another consumer: nothing was written.
   * @throws RedisUnavailableError if no answer arrived. With `mayHaveRun` it may be committed; the same id finds out.
   * @throws RedisReplyError if a key holds the wrong type: nothing was written.
   */
  commitOperatorsWord(word: { readonly ip: Ip; readonly id: string }): Promise<OperatorsWord>;
}

export interface RegisterStoreParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly host: Pick<Host, 'monotonicMs' | 'wallMs'>;
  readonly config: { readonly localUuid: Uuid; readonly ip: { readonly intervalMs: number } };
}

/**
 * Opens the register for one invocation, which `signal` ends. With `clock` it goes on from a clock that this invocation
 * has read, with an identity that it has verified.
 */
export function openRegisterStore(
  { redis, keys, host, config }: RegisterStoreParts,
  { signal, clock = createRedisClock(host) }: { readonly signal: AbortSignal; readonly clock?: RedisClock },
): RegisterStore {
  const { localUuid } = config;
  const commitKeys = [keys.ip, keys.ipHistory, keys.producers, keys.deliveries, keys.due];

  const freshNowMs = async () => {
    await clock.refresh(redis, signal);
    return clock.nowMs();
  };
  const run = async (call: ScriptCall, options: Partial<SendOptions> = {}): Promise<Reply> => {
    const [reply] = await redis.send([call], { repeatable: true, signal, ...options });
    if (reply instanceof RedisReplyError) throw reply;
    return reply ?? null;
  };

  return {
    nowMs: () => clock.nowMs(),
    freshNowMs,

    async beginCheck() {
      const read = clock.startReading();
      const [time, reply] = await redis.send(
        [['TIME'], { script: BEGIN_CHECK, keys: [keys.uuid, keys.ip], args: [localUuid] }],
        { repeatable: true, signal },
      );
      if (reply instanceof RedisReplyError) throw reply;
      read(time);
      const [uuid, fields] = Array.isArray(reply) ? reply : [];
      await verifyIdentity(uuid === '' && fields !== undefined ? null : uuid, {
        redis,
        keys,
        localUuid,
        signal,
      });
      return parseRegister(fields);
    },

    async recordCheck({ register, verdict, votes, beganMs, quickReturn, answering, warnings }) {
      const nowMs = await freshNowMs();
      const mayCommit = verdict.kind === 'change' || verdict.kind === 'counts';
      const taken = quickReturn.kind === 'taken' ? [quickReturn.returns, quickReturn.returnsAt] : ['', ''];
      const reply = await run(
        {
          script: RECORD_CHECK,
          keys: [...commitKeys, keys.lease('notify')],
          args: [
            register.ticket,
            register.epoch ?? 0,
            Math.floor(beganMs),
            nowMs,
            verdict.kind,
            mayCommit ? verdict.ip : '',
            votesAsJson(votes),
            CHECK_GAP_MS,
            Math.max(CANDIDATE_EXPIRY_MS, 3 * config.ip.intervalMs),
            CHECKS_NEEDED,
            quickReturn.kind === 'waits' ? 1 : 0,
            ...taken,
            answering ?? '',
            WARN_PERIOD_MS,
            LONGEST_WAIT_MS,
            LONGEST_LEASE_MS,
            ...warnings,
            ...(quickReturn.kind === 'waits' ? ['dampedAt'] : []),
          ],
        },
        mayCommit ? { timeoutMs: COMMIT_TIMEOUT_MS } : {},
      );
      return parseRecorded(reply);
    },

    async commitOperatorsWord({ ip, id }) {
      if (clock.readings === 0) {
        const read = clock.startReading();
        const [time, identity] = await redis.send([['TIME'], identityCommand(keys)], {
          repeatable: true,
          signal,
        });
        read(time);
        await verifyIdentity(identity, { redis, keys, localUuid, signal });
      }
      const reply = await run(
        { script: COMMIT_MANUAL, keys: commitKeys, args: [ip, id, await freshNowMs()] },
        { timeoutMs: COMMIT_TIMEOUT_MS },
      );
      const [kind, rawEpoch, ...counts] = Array.isArray(reply) ? reply : [];
      const epoch = parseEpoch(rawEpoch);
      if (kind === 'committed' && epoch !== undefined) return { kind, epoch, counts: parseCounts(counts) };
      if (kind === 'repeated') return { kind, ...(epoch === undefined ? {} : { epoch }) };
      throw new RedisReplyError("ERR unexpected reply from the script of the operator's word");
    },
  };
}

function parseCounts(numbers: readonly Reply[]): CommitCounts {
  const [due = 0, leased = 0, skipped = 0, dropped = 0, removed = 0] = numbers.map(Number);
  return { due, leased, skipped, dropped, removed };
}

const STALE_REASONS: readonly string[] = [
  'repeated',
  'overtaken',
  'data-loss',
  'epoch',
] satisfies StaleReason[];
const isStaleReason = (reason: string): reason is StaleReason => STALE_REASONS.includes(reason);

function parseRecorded(reply: Reply): Recorded {
  const fields = Array.isArray(reply) ? reply : [];
  const [kind, reason, current, epoch, due, held, checks, unknownChecks, warnings, ...counts] = fields;
  const given = String(warnings).split(',');
  return {
    outcome: parseOutcome(String(kind), String(reason), Number(checks), counts),
    current: parseIp(current),
    epoch: parseEpoch(epoch),
    due: Number(due),
    draining: held === '1',
    unknownChecks: Number(unknownChecks),
    warnings: WARNINGS.filter((warning) => given.includes(warning)),
  };
}

function parseOutcome(kind: string, reason: string, checks: number, counts: readonly Reply[]): RecordOutcome {
  switch (kind) {
    case 'confirmed':
    case 'unknown':
    case 'damped':
      return { kind };
    case 'counted':
    case 'waiting':
      return { kind, checks };
    case 'changed':
      return reason === 'repeated'
        ? { kind, historyWritten: true }
        : { kind, counts: parseCounts(counts), historyWritten: Number(counts[5]) > 0 };
    default:
      if (kind === 'stale' && isStaleReason(reason)) return { kind, reason };
      throw new RedisReplyError('ERR unexpected reply from the script that records a check');
  }
}
