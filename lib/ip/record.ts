import { RedisReplyError } from '../errors.ts';
import { type Ip, parseIp } from '../peers/ip-space.ts';
import type { Redis, Reply } from '../redis/redis.ts';
import type { Keys } from '../store/keys.ts';
import type { Verdict } from './decide.ts';
import { RECORD } from './record.lua.ts';
import { CHECKS_NEEDED, type Epoch, parseEpoch, type Register } from './register.ts';
import type { Vote } from './vote.ts';

/** A check counts only if it began so long after the last one that counted. */
export const CHECK_GAP_MS = 20_000;
/** After so long, or three periods if that is more, counting starts afresh. */
export const CANDIDATE_EXPIRY_MS = 600_000;
/** A `dns:` source that disagrees is reported once a day at most. */
export const WARN_PERIOD_MS = 86_400_000;
/**
 * A commit over 100,000 producers takes 1.5 s of Redis at worst; the reply may be as slow as that many times over.
 */
export const COMMIT_TIMEOUT_MS = 10_000;

/**
 * Why nothing was recorded: this very check had been already (its first reply was lost), a newer one had, Redis lost
 * its data since, or the address is no longer the one that the verdict is about.
 */
export type StaleReason = 'repeated' | 'overtaken' | 'data-loss' | 'epoch';

/** What a commit did in numbers. */
export interface CommitCounts {
  /** Producers that became due. */
  readonly due: number;
  /** Deliveries left alone because they have a lease; who finds it over sees that the epoch has changed. */
  readonly leased: number;
  /** Fields of `producers` that are no uuid. */
  readonly skipped: number;
  /** Deliveries of producers that have been missing for over a day. */
  readonly dropped: number;
  /** Records that nothing needs any more. */
  readonly removed: number;
}

export type RecordOutcome =
  | { readonly kind: 'confirmed' | 'unknown' }
  /** The check counts, or came too soon after the last one to count; `checks` have counted by now. */
  | { readonly kind: 'counted' | 'waiting'; readonly checks: number }
  | { readonly kind: 'changed'; readonly counts: CommitCounts }
  | { readonly kind: 'stale'; readonly reason: StaleReason };

/** The answer of trip 2. `current` and `epoch` are the register's after it, whoever wrote them. */
export interface Recorded {
  readonly outcome: RecordOutcome;
  readonly current: Ip | undefined;
  readonly epoch: Epoch | undefined;
  /** Deliveries that are due by now. */
  readonly due: number;
  /** Whether somebody holds `lease:notify`. */
  readonly draining: boolean;
  readonly unknownChecks: number;
  /** Whether a `dns:` source's disagreement is to be reported now. */
  readonly warn: boolean;
}

/** What a check brings to trip 2. */
export interface Finding {
  readonly register: Register;
  readonly verdict: Verdict;
  readonly votes: readonly Vote[];
  /** When the check began and what time it is, by Redis's clock. */
  readonly beganMs: number;
  readonly nowMs: number;
  readonly dnsDisagrees: boolean;
}

/**
 * Trip 2 of a check, one script (its rules: `RECORD`). It may be carried out twice: the second time it finds its own
 * ticket recorded, and answers `stale` for the reason `repeated` with what is stored and due by then, so that a
 * commit whose reply was lost is drained like any other.
 *
 * @throws RedisUnavailableError if no answer arrived. With `mayHaveRun` the check may be recorded or not.
 * @throws RedisReplyError if a key holds the wrong type: nothing was written.
 */
export async function recordCheck(
  { redis, keys, periodMs, signal }: { redis: Redis; keys: Keys; periodMs: number; signal: AbortSignal },
  { register, verdict, votes, beganMs, nowMs, dnsDisagrees }: Finding,
): Promise<Recorded> {
  const mayCommit = verdict.kind === 'change' || verdict.kind === 'counts';
  const [reply] = await redis.send(
    [
      {
        script: RECORD,
        keys: [keys.ip, keys.ipHistory, keys.producers, keys.deliveries, keys.due, keys.lease('notify')],
        args: [
          register.ticket,
          register.epoch ?? 0,
          Math.floor(beganMs),
          Math.floor(nowMs),
          verdict.kind,
          mayCommit ? verdict.ip : '',
          compactVotes(votes),
          CHECK_GAP_MS,
          Math.max(CANDIDATE_EXPIRY_MS, 3 * periodMs),
          CHECKS_NEEDED,
          dnsDisagrees ? 1 : 0,
          WARN_PERIOD_MS,
        ],
      },
    ],
    { repeatable: true, signal, ...(mayCommit ? { timeoutMs: COMMIT_TIMEOUT_MS } : {}) },
  );
  if (reply instanceof RedisReplyError) throw reply;
  return parseRecorded(reply);
}

/** Who voted what, as the history keeps it: JSON, source → address or the class of its failure. */
export function compactVotes(votes: readonly Vote[]): string {
  return JSON.stringify(
    Object.fromEntries(votes.map((vote) => [vote.source, vote.kind === 'ip' ? vote.ip : vote.error])),
  );
}

/** Reads the five numbers that a commit answers. */
export function parseCounts(numbers: readonly Reply[]): CommitCounts {
  const [due = 0, leased = 0, skipped = 0, dropped = 0, removed = 0] = numbers.map(Number);
  return { due, leased, skipped, dropped, removed };
}

const STALE_REASONS: readonly string[] = [
  'repeated',
  'overtaken',
  'data-loss',
  'epoch',
] satisfies StaleReason[];

function parseRecorded(reply: Reply | undefined): Recorded {
  const fields = Array.isArray(reply) ? reply : [];
  const [kind, reason, current, epoch, due, held, checks, unknownChecks, warn, ...counts] = fields;
  return {
    outcome: parseOutcome(String(kind), String(reason), Number(checks), counts),
    current: parseIp(current),
    epoch: parseEpoch(epoch),
    due: Number(due),
    draining: Number(held) > 0,
    unknownChecks: Number(unknownChecks),
    warn: Number(warn) > 0,
  };
}

function parseOutcome(kind: string, reason: string, checks: number, counts: readonly Reply[]): RecordOutcome {
  switch (kind) {
    case 'confirmed':
    case 'unknown':
      return { kind };
    case 'counted':
    case 'waiting':
      return { kind, checks };
    case 'changed':
      return { kind, counts: parseCounts(counts) };
    default:
      if (kind === 'stale' && isStaleReason(reason)) return { kind, reason };
      throw new RedisReplyError('ERR the script that records a check gave an answer that it never gives');
  }
}

function isStaleReason(reason: string): reason is StaleReason {
  return STALE_REASONS.includes(reason);
}
