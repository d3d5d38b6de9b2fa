import { FAILURES, type Failure } from '../http/outcome.ts';
import { MAX_ADDRESS_LENGTH } from '../peers/address.ts';

/** Why a probe failed. Kept in health and shown to operators; never a peer's own text. */
export type HealthError = Exclude<Failure, 'aborted' | 'local'> | 'status' | 'wrong-identity';

/** Every class that a health record may name, also those that only version 1 wrote. */
export const HEALTH_ERRORS: readonly HealthError[] = [
  ...FAILURES.filter((error) => error !== 'aborted' && error !== 'local'),
  'status',
  'wrong-identity',
];

/** SWIM's words (https://www.cs.cornell.edu/projects/Quicksilver/public_pdfs/SWIM.pdf). No record at all is `new`. */
export type HealthState = 'new' | ProbedState;
export type ProbedState = 'alive' | 'suspect' | 'dead';

/**
 * What our probes found out about one consumer. `state`, `address`, `since`, `lastOk` and `lastError` are stable for the
 * consumer API. All times are Redis's, in milliseconds. Under 350 bytes as JSON.
 */
export interface HealthRecord {
  readonly state: ProbedState;
  /** The very string of `consumers` that was probed. A record about another address is void. */
  readonly address: string;
  /** When it entered this state. */
  readonly since: number;
  /** When it last answered; absent if it never did. */
  readonly lastOk?: number;
  /** Why the last failure failed. It stays after a recovery. */
  readonly lastError?: HealthError;
  /** When the last failure was. It stays after a recovery. */
  readonly lastFail?: number;
  /** Milliseconds of its last answer; not kept for the dead. */
  readonly rtt?: number;
  /** Failures in a row; absent after an answer. */
  readonly fails?: number;
  /** Those of `fails` that were no part of a mass failure; absent where it is 0. */
  readonly counted?: number;
  /** Not to be probed before: backoff of the dead, Retry-After of the busy. */
  readonly due?: number;
  /** It has once named its uuid, so a reply without one is not its own. */
  readonly named?: true;
  /** The address before a move that only hearsay suggested, as `consumers` had it. It is probed now and then. */
  readonly home?: string;
  /** When `home` is to be probed next. */
  readonly homeDue?: number;
  /** The last 60 outcomes, see `pushOutcome`. */
  readonly recent: string;
}

/** Neither a dead consumer nor one that sent Retry-After is left alone for longer. */
export const LONGEST_PAUSE_MS = 3_600_000;
/** By how much another invocation's reading of the same clock may be ahead of ours. */
export const CLOCK_SLACK_MS = 60_000;
/** Counting further changes nothing, and the record stays small. */
export const MOST_FAILS = 9_999;
/** Larger than any record of ours: not worth parsing. */
const LONGEST_JSON = 1_000;

/** One outcome of a probe, as the last ones are kept. `busy` is an alive one that asked to be left alone. */
export type RecentOutcome = 'alive' | 'busy' | 'failed';

/** How many outcomes are kept. */
export const RECENT_OUTCOMES = 60;

const OUTCOMES = ['none', 'alive', 'busy', 'failed'] as const;
const PER_CHARACTER = 3;
const BITS = 2;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const LENGTH = RECENT_OUTCOMES / PER_CHARACTER;

/**
 * The last 60 outcomes in 20 characters: two bits each, three in a character of base64url, the newest last. What is not
 * there yet is 0, so that an empty history is all `A`. As a number it is shifted by one place for each outcome.
 */
export function pushOutcome(recent: string, outcome: RecentOutcome): string {
  const digits = isRecent(recent) ? recent : NO_OUTCOMES;
  let pushed = '';
  let carried = OUTCOMES.indexOf(outcome);
  for (let i = LENGTH - 1; i >= 0; i--) {
    const digit = DIGITS.indexOf(digits.charAt(i));
    pushed = DIGITS.charAt(((digit << BITS) & 63) | carried) + pushed;
    carried = digit >> 4;
  }
  return pushed;
}

/** The outcomes of `pushOutcome`, the oldest first. Anything that is none of its texts has none. */
export function readOutcomes(recent: string): RecentOutcome[] {
  return unpack(recent).flatMap((code) => {
    const outcome = OUTCOMES[code];
    return outcome === undefined || outcome === 'none' ? [] : [outcome];
  });
}

/** How many of the last 60 probes failed. Fast: whoever ranks 10,000 consumers asks it for each. */
export function countFailed(recent: string): number {
  if (!isRecent(recent)) return 0;
  let failed = 0;
  for (let i = 0; i < LENGTH; i++) failed += FAILED_IN.get(recent.charAt(i)) ?? 0;
  return failed;
}

export const NO_OUTCOMES = 'A'.repeat(LENGTH);

export function isRecent(text: string): boolean {
  return text.length === LENGTH && /^[\w-]+$/.test(text);
}

/** Each digit → how many of its three outcomes failed. */
const FAILED_IN: ReadonlyMap<string, number> = new Map(
  Array.from(DIGITS, (digit) => [digit, codesOf(digit).filter((code) => OUTCOMES[code] === 'failed').length]),
);

function unpack(recent: string): number[] {
  return Array.from(isRecent(recent) ? recent : NO_OUTCOMES).flatMap(codesOf);
}

function codesOf(character: string): number[] {
  const digit = DIGITS.indexOf(character);
  return [digit >> 4, (digit >> BITS) & 3, digit & 3];
}

export function encodeHealth(record: HealthRecord): string {
  return JSON.stringify(record);
}

/**
 * Reads what Redis holds, which may be anything: undefined unless it is a record of ours, of this version or of version 1.
 * If a record lies in the future, Redis's clock was set back, or somebody else wrote it. Then none of its times counts, or
 * its consumer would not be probed. What else it says stays: who has named itself, and where a consumer was at home.
 */
export function decodeHealth(json: unknown, nowMs: number): HealthRecord | undefined {
  if (typeof json !== 'string' || json.length > LONGEST_JSON) return undefined;
  const stored = parseFields(json);
  if (stored === undefined || !isStored(stored)) return undefined;
  const record = isAhead(stored, nowMs) ? withoutTimes(stored, nowMs) : stored;
  if (stored.failures === undefined || stored.fails !== undefined) return record;
  // Version 1 kept one count.
  return { ...record, fails: stored.failures, counted: stored.failures };
}

function isAhead({ lastOk = 0, lastFail = 0, since, due = 0, homeDue = 0 }: HealthRecord, nowMs: number) {
  const latest = Math.max(lastOk, lastFail);
  return (
    Math.max(latest, since) > nowMs + CLOCK_SLACK_MS ||
    due > latest + LONGEST_PAUSE_MS ||
    homeDue > nowMs + LONGEST_PAUSE_MS + CLOCK_SLACK_MS
  );
}

function withoutTimes(
  { lastOk: _, lastFail: __, due: ___, homeDue: ____, ...rest }: StoredRecord,
  nowMs: number,
): StoredRecord {
  return { ...rest, since: Math.min(rest.since, nowMs) };
}

/** A record as Redis may hold it, with the one count of version 1. */
type StoredRecord = HealthRecord & { readonly failures?: number };
type StoredFields = { readonly [Name in keyof StoredRecord]?: unknown };

function parseFields(json: string): StoredFields | undefined {
  try {
    const parsed: unknown = JSON.parse(json);
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Field by field: a round and the page read 10,000 records at once, and a table of checks takes as long again as JSON.parse. */
function isStored(fields: StoredFields): fields is StoredRecord {
  const { state, address, since, lastOk, lastError, lastFail, rtt, recent } = fields;
  const { fails, counted, failures, due, named, home, homeDue } = fields;
  return (
    (state === 'alive' || state === 'suspect' || state === 'dead') &&
    isAddress(address) &&
    isWhole(since) &&
    typeof recent === 'string' &&
    isRecent(recent) &&
    (lastOk === undefined || isWhole(lastOk)) &&
    (lastError === undefined || KNOWN_ERRORS.has(lastError)) &&
    (lastFail === undefined || isWhole(lastFail)) &&
    (rtt === undefined || isWhole(rtt, 0, 999_999)) &&
    (fails === undefined || isWhole(fails, 1, MOST_FAILS)) &&
    (counted === undefined || isWhole(counted, 1, MOST_FAILS)) &&
    (failures === undefined || isWhole(failures, 1, MOST_FAILS)) &&
    (due === undefined || isWhole(due)) &&
    (named === undefined || named === true) &&
    (home === undefined || isAddress(home)) &&
    (homeDue === undefined || isWhole(homeDue))
  );
}

const KNOWN_ERRORS: ReadonlySet<unknown> = new Set(HEALTH_ERRORS);

function isWhole(value: unknown, least = 0, most = Number.MAX_SAFE_INTEGER): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most;
}

function isAddress(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_ADDRESS_LENGTH;
}
