import type { Address, AddressPolicy } from '../peers/address.ts';
import {
  countFailed,
  type HealthError,
  type HealthRecord,
  type HealthState,
  LONGEST_PAUSE_MS,
  MOST_FAILS,
  NO_OUTCOMES,
  type ProbedState,
  pushOutcome,
} from '../store/health-record.ts';
import { MOST_WORST } from '../store/part-state.ts';
import type { ProbeResult } from './answer.ts';

/** So many failures in a row make a consumer dead, those in a mass failure not counted. */
const DEAD_AFTER_COUNTED = 3;
/** So many failures in a row make it dead whatever else failed: three hours at the default interval. */
const DEAD_AFTER_FAILS = 36;
const JITTER = 0.2;

/** When a round began, by Redis's clock, and how often there is one. */
export interface RoundTime {
  readonly at: number;
  readonly intervalMs: number;
}

export interface ProbeTime {
  /** The very string of `consumers`. */
  readonly address: string;
  readonly nowMs: number;
  readonly intervalMs: number;
  /** Uniform in [0, 1). */
  readonly random: number;
}

/** The record after an answer. `previous` is one about the same address. */
export function healthAfterAnswer(
  previous: HealthRecord | undefined,
  result: Exclude<ProbeResult, { kind: 'failed' }>,
  { address, nowMs }: Pick<ProbeTime, 'address' | 'nowMs'>,
): HealthRecord {
  const pauseMs = result.kind === 'busy' ? Math.min(result.retryAfterMs ?? 0, LONGEST_PAUSE_MS) : 0;
  const next: Unfinished = {
    state: 'alive',
    address,
    since: previous?.state === 'alive' ? previous.since : nowMs,
    lastOk: nowMs,
    recent: pushOutcome(previous?.recent ?? NO_OUTCOMES, result.kind),
  };
  if (previous?.lastError !== undefined) next.lastError = previous.lastError;
  if (previous?.lastFail !== undefined) next.lastFail = previous.lastFail;
  next.rtt = Math.round(result.rttMs);
  if (pauseMs > 0) next.due = Math.round(nowMs + pauseMs);
  keepTraits(previous, next);
  if (result.named) next.named = true;
  return next;
}

/**
 * The record after a failure that says something about the consumer; `counts` unless it was part of a mass failure. The
 * record stays as it is if the last failure was less than half an interval ago: two rounds overlap, and saw the same.
 */
export function healthAfterFailure(
  previous: HealthRecord | undefined,
  error: HealthError,
  counts: boolean,
  time: ProbeTime,
): HealthRecord {
  const { address, nowMs } = time;
  if (previous?.lastFail !== undefined && nowMs - previous.lastFail < time.intervalMs / 2) return previous;
  const fails = Math.min((previous?.fails ?? 0) + 1, MOST_FAILS);
  const counted = Math.min((previous?.counted ?? 0) + (counts ? 1 : 0), MOST_FAILS);
  const dead = counted >= DEAD_AFTER_COUNTED || fails >= DEAD_AFTER_FAILS;
  const state: ProbedState = dead ? 'dead' : 'suspect';
  const next: Unfinished = {
    state,
    address,
    since: previous?.state === state ? previous.since : nowMs,
    recent: pushOutcome(previous?.recent ?? NO_OUTCOMES, 'failed'),
  };
  if (previous?.lastOk !== undefined) next.lastOk = previous.lastOk;
  next.lastError = error;
  next.lastFail = nowMs;
  if (previous?.rtt !== undefined && !dead) next.rtt = previous.rtt;
  next.fails = fails;
  if (counted > 0) next.counted = counted;
  if (dead) next.due = nowMs + deadPauseMs({ fails, counted }, time);
  keepTraits(previous, next);
  return next;
}

/** A record while it is being made. Built once per probe; object spread was measurably slower here. */
type Unfinished = { -readonly [Field in keyof HealthRecord]: HealthRecord[Field] };

function keepTraits(previous: HealthRecord | undefined, next: Unfinished): void {
  if (previous?.named) next.named = true;
  if (previous?.home !== undefined) next.home = previous.home;
  if (previous?.homeDue !== undefined) next.homeDue = previous.homeDue;
}

/**
 * How long a dead consumer is left alone: two intervals, doubling with each further failure, ±20 % so that those who died
 * together are not all probed together, an hour at most.
 */
export function deadPauseMs(
  { fails, counted }: { readonly fails: number; readonly counted: number },
  { intervalMs, random }: Pick<ProbeTime, 'intervalMs' | 'random'>,
): number {
  const doublings = Math.min(Math.max(counted - DEAD_AFTER_COUNTED, fails - DEAD_AFTER_FAILS) + 1, 20);
  const base = Math.min(intervalMs * 2 ** doublings, LONGEST_PAUSE_MS);
  return Math.round(Math.min(base * (1 - JITTER + 2 * JITTER * random), LONGEST_PAUSE_MS));
}

/**
 * Whether a round probes a consumer. New, alive and suspect ones are due in every round. The dead are due if their time
 * comes within half an interval, so that a due time between two rounds does not cost a whole one; a Retry-After is waited
 * for to its end.
 */
export function isDue(record: HealthRecord | undefined, round: RoundTime): boolean {
  if (record?.due === undefined) return true;
  return record.due <= round.at + (record.state === 'dead' ? round.intervalMs / 2 : 0);
}

/** When a consumer was last probed with a verdict; 0 for a new one. */
export function probedAt(record: HealthRecord | undefined): number {
  return Math.max(record?.lastOk ?? 0, record?.lastFail ?? 0);
}

export function stateOf(record: HealthRecord | undefined): HealthState {
  return record?.state ?? 'new';
}

/**
 * The record if it is about the address that `consumers` has now, else undefined: the consumer moved. With or without the
 * default port is the same address, also in the canonical spelling of version 1.
 */
export function aboutAddress(
  record: HealthRecord | undefined,
  raw: string,
  address: Address,
  policy: AddressPolicy,
): HealthRecord | undefined {
  if (record === undefined || record.address === raw) return record;
  const parsed = policy.parse(record.address);
  return 'address' in parsed && parsed.address.key === address.key ? record : undefined;
}

/** `unknown` is what was found out too long ago. */
type RankedState = HealthState | 'unknown';

const WORST_LAST: readonly RankedState[] = ['alive', 'new', 'unknown', 'suspect', 'dead'];
/** More than failures and round-trip time come to. */
const STATE_WEIGHT = 1e9;

/** How bad a consumer is: by its state, then by how many of its last probes failed, then by its round-trip time. */
export function rankOf(state: RankedState, health: HealthRecord | undefined): number {
  const failed = countFailed(health?.recent ?? '');
  return WORST_LAST.indexOf(state) * STATE_WEIGHT + failed * 1e6 + Math.min(health?.rtt ?? 0, 999_999);
}

/** Keeps the 50 with the highest rank of any number of items, and never many more than those. */
export function keepWorst<Item>() {
  let kept: { readonly item: Item; readonly rank: number }[] = [];
  const cut = () => {
    kept = kept.sort((a, b) => b.rank - a.rank).slice(0, MOST_WORST);
  };
  return {
    add(item: Item, rank: number): void {
      kept.push({ item, rank });
      if (kept.length >= 10 * MOST_WORST) cut();
    },
    /** The worst first. */
    items(): Item[] {
      cut();
      return kept.map(({ item }) => item);
    },
  };
}
