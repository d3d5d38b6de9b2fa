import * as v from 'valibot';
import { HEALTH_ERRORS, type HealthError, type ProbeResult } from './outcome.ts';
import { isRecent, NO_OUTCOMES, pushOutcome } from './recent.ts';

/** SWIM's words (https://www.cs.cornell.edu/projects/Quicksilver/public_pdfs/SWIM.pdf). No record at all is `new`. */
export type HealthState = 'new' | ProbedState;
export type ProbedState = 'alive' | 'suspect' | 'dead';

/**
 * What our probes found out about one consumer. `state`, `address`, `since`, `lastOk` and `lastError` are stable for the
 * consumer API; all times are Redis's. Under 250 bytes as JSON.
 */
export interface HealthRecord {
  readonly state: ProbedState;
  /** The canonical `ip:port` that was probed. A record about another address than the present one is void. */
  readonly address: string;
  /** When it entered this state. */
  readonly since: number;
  /** When it last answered; absent if it never did. */
  readonly lastOk?: number;
  /** Why the last failure failed, and when; they stay after a recovery. */
  readonly lastError?: HealthError;
  readonly lastFail?: number;
  /** Milliseconds of its last answer; not kept for the dead. */
  readonly rtt?: number;
  /** In a row; absent after a success. */
  readonly failures?: number;
  /** Not to be probed before: backoff of the dead, Retry-After of the busy. */
  readonly due?: number;
  /** The last 60 outcomes, see `recent.ts`. */
  readonly recent: string;
}

export const DEAD_AFTER_FAILURES = 3;
/** Neither a dead consumer nor one that sent Retry-After is left alone for longer. */
export const LONGEST_PAUSE_MS = 3_600_000;
const JITTER = 0.2;
/** Doubling stops mattering long before, and the record stays small. */
const MOST_FAILURES = 9_999;
/** `[`, the longest IP literal, `]:65535`. */
const LONGEST_ADDRESS = 53;
/** Larger than any record of ours: not worth parsing. */
const LONGEST_JSON = 1_000;
/** By how much another invocation's reading of the same clock may be ahead of ours. */
export const CLOCK_SLACK_MS = 60_000;

/** When a round began, by Redis's clock, and how often there is one. */
export interface RoundTime {
  readonly at: number;
  readonly intervalMs: number;
}

/** The record after one more probe. `random` is uniform in [0, 1). */
export function nextHealth(
  previous: HealthRecord | undefined,
  result: ProbeResult,
  now: {
    readonly address: string;
    readonly nowMs: number;
    readonly intervalMs: number;
    readonly random: number;
  },
): HealthRecord {
  const { address, nowMs } = now;
  const last = previous?.address === address ? previous : undefined;
  const recent = pushOutcome(last?.recent ?? NO_OUTCOMES, result.kind);
  const stateSince = (state: ProbedState) => (last?.state === state ? last.since : nowMs);

  if (result.kind !== 'failed') {
    const pauseMs = result.kind === 'busy' ? Math.min(result.retryAfterMs ?? 0, LONGEST_PAUSE_MS) : 0;
    const next: Unfinished = { state: 'alive', address, since: stateSince('alive'), lastOk: nowMs, recent };
    if (last?.lastError !== undefined) next.lastError = last.lastError;
    if (last?.lastFail !== undefined) next.lastFail = last.lastFail;
    next.rtt = Math.round(result.rttMs);
    if (pauseMs > 0) next.due = Math.round(nowMs + pauseMs);
    return next;
  }

  const failures = Math.min((last?.failures ?? 0) + 1, MOST_FAILURES);
  const dead = failures >= DEAD_AFTER_FAILURES;
  const state = dead ? 'dead' : 'suspect';
  const next: Unfinished = { state, address, since: stateSince(state), recent };
  if (last?.lastOk !== undefined) next.lastOk = last.lastOk;
  next.lastError = result.error;
  next.lastFail = nowMs;
  if (last?.rtt !== undefined && !dead) next.rtt = last.rtt;
  next.failures = failures;
  if (dead) next.due = nowMs + deadPauseMs(failures, now);
  return next;
}

/** A record while it is being made: a round makes one a probe, and spreading what may be absent is dear. */
type Unfinished = { -readonly [Field in keyof HealthRecord]: HealthRecord[Field] };

/**
 * How long a dead consumer is left alone: two intervals, doubling with each further failure, ±20 % so that those who died
 * together are not all probed together, an hour at most.
 */
export function deadPauseMs(
  failures: number,
  { intervalMs, random }: { readonly intervalMs: number; readonly random: number },
): number {
  const doublings = Math.min(failures - DEAD_AFTER_FAILURES + 1, 20);
  const base = Math.min(intervalMs * 2 ** doublings, LONGEST_PAUSE_MS);
  return Math.round(Math.min(base * (1 - JITTER + 2 * JITTER * random), LONGEST_PAUSE_MS));
}

/**
 * Whether a round probes a consumer at `address`. New, alive and suspect ones are due in every round. The dead are due if
 * their time comes within half an interval, so that a due time between two rounds does not cost a whole one; a
 * Retry-After is waited for to its end.
 */
export function isDue(record: HealthRecord | undefined, address: string, round: RoundTime): boolean {
  if (record?.address !== address || record.due === undefined) return true;
  return record.due <= round.at + (record.state === 'dead' ? round.intervalMs / 2 : 0);
}

/** When a consumer at `address` was last probed; 0 for a new one or one that moved. */
export function probedAt(record: HealthRecord | undefined, address: string): number {
  return record?.address === address ? Math.max(record.lastOk ?? 0, record.lastFail ?? 0) : 0;
}

/** The state that a record gives a consumer at `address`. */
export function stateOf(record: HealthRecord | undefined, address: string): HealthState {
  return record?.address === address ? record.state : 'new';
}

export function encodeHealth(record: HealthRecord): string {
  return JSON.stringify(record);
}

/**
 * Reads what Redis holds, which may be anything: undefined unless it is a record of ours. One that lies in the future is
 * none (Redis's clock was set back, or somebody else wrote it): it would keep its consumer from ever being probed.
 */
export function decodeHealth(json: unknown, nowMs: number): HealthRecord | undefined {
  if (typeof json !== 'string' || json.length > LONGEST_JSON) return undefined;
  const parsed = v.safeParse(RECORD, parseJson(json));
  if (!parsed.success) return undefined;
  const { lastOk = 0, lastFail = 0, since, due = 0 } = parsed.output;
  const latest = Math.max(lastOk, lastFail);
  if (Math.max(latest, since) > nowMs + CLOCK_SLACK_MS || due > latest + LONGEST_PAUSE_MS) return undefined;
  // exactOptionalPropertyTypes: valibot leaves absent fields out, so that the output is a record as it stands.
  return parsed.output;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const RECORD = v.object({
  state: v.picklist(['alive', 'suspect', 'dead']),
  address: v.pipe(
    v.string(),
    v.check((text) => text.length <= LONGEST_ADDRESS),
  ),
  since: time,
  lastOk: v.exactOptional(time),
  lastError: v.exactOptional(v.picklist(HEALTH_ERRORS)),
  lastFail: v.exactOptional(time),
  rtt: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(999_999))),
  failures: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MOST_FAILURES))),
  due: v.exactOptional(time),
  recent: v.pipe(v.string(), v.check(isRecent)),
});
