import { randomUUID } from 'node:crypto';
import { ENDED_EARLY, type Invocation } from '../lib/host.ts';
import type { IpCheckSummary } from '../lib/ip/summary.ts';
import type { NotifySummary } from '../lib/notify/notify.ts';
import type { RoundSummary } from '../lib/sync/summary.ts';
import type { BootClock } from './clock.ts';

export type JobName = 'sync' | 'ip-check' | 'producer-notify';

/** What one run of a job came to: its summary, or what it threw. */
export type RunResult =
  | { readonly kind: 'done'; readonly job: 'sync'; readonly summary: RoundSummary }
  | { readonly kind: 'done'; readonly job: 'ip-check'; readonly summary: IpCheckSummary }
  | { readonly kind: 'done'; readonly job: 'producer-notify'; readonly summary: NotifySummary }
  | FailedRun;

/** A run that threw. */
export interface FailedRun {
  readonly kind: 'failed';
  readonly job: JobName;
  readonly error: unknown;
}

/** A run's signal aborts this long before its time is up, as on Lambda (`lib/lambda/handler.ts`), */
const ABORT_BEFORE_END_MS = 2_000;
/** and it is told to be gone this long before. */
const LEAVE_MS = 1_000;

/** One run of a job, as its host sees it. */
export interface Run {
  readonly invocation: Invocation;
  /** Has it end early: it starts nothing more, and has `withinMs` to finish or hand back what it began. */
  hurry(withinMs: number): void;
  /** Call it when the run is over. */
  end(): void;
}

/** Starts a run's time. It goes on while the machine sleeps: what was begun before is then handed back, not gone on with. */
export function startRun(clock: BootClock, limitMs: number): Run {
  const aborted = new AbortController();
  const over = new AbortController();
  let endsMs = clock.nowMs() + limitMs;
  void clock.until(endsMs - ABORT_BEFORE_END_MS, over.signal).then(() => {
    if (!over.signal.aborted) aborted.abort();
  });
  return {
    invocation: {
      requestId: randomUUID(),
      signal: aborted.signal,
      remainingMs: () => Math.max(0, endsMs - LEAVE_MS - clock.nowMs()),
    },
    hurry(withinMs) {
      endsMs = Math.min(endsMs, clock.nowMs() + withinMs + LEAVE_MS);
      aborted.abort(ENDED_EARLY);
    },
    end: () => over.abort(),
  };
}
