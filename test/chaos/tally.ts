import { type Findings, NO_FINDINGS } from './verdict.ts';

/** What one or many runs came to, in counts. */
export interface Tally {
  runs: number;
  /** Of these, runs in which requests may take effect up to a minute late. */
  lateRuns: number;
  /** Changes that were committed. */
  changes: number;
  invocations: number;
  /** Handlers killed, by what they were doing. */
  readonly kills: Record<string, number>;
  /** Everything else that was made to go wrong, by kind. */
  readonly faults: Record<string, number>;
  /** Requests to producers. */
  calls: number;
  /** Addresses that took effect at a producer. */
  deliveries: number;
  /** Of these, ones that the producer had before. */
  duplicates: number;
  /** Older addresses after newer ones in runs where that is allowed for a while. */
  overtaken: number;
  /** Producers that the last change was owed to and that were judged in the end. */
  judged: number;
  readonly findings: Findings;
}

export function createTally(): Tally {
  return {
    runs: 0,
    lateRuns: 0,
    changes: 0,
    invocations: 0,
    kills: {},
    faults: {},
    calls: 0,
    deliveries: 0,
    duplicates: 0,
    overtaken: 0,
    judged: 0,
    findings: { ...NO_FINDINGS },
  };
}

export function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

export function totalOf(counts: Readonly<Record<string, number>> | Findings): number {
  return Object.values(counts).reduce((sum: number, value: number) => sum + value, 0);
}

/** Adds `more` to `sum`. */
export function addTo(sum: Tally, more: Tally): void {
  for (const name of [
    'runs',
    'lateRuns',
    'changes',
    'invocations',
    'calls',
    'deliveries',
    'duplicates',
    'overtaken',
    'judged',
  ] as const) {
    sum[name] += more[name];
  }
  for (const part of ['kills', 'faults'] as const) {
    for (const [name, value] of Object.entries(more[part])) sum[part][name] = (sum[part][name] ?? 0) + value;
  }
  for (const name of Object.keys(sum.findings) as (keyof Findings)[])
    sum.findings[name] += more.findings[name];
}
