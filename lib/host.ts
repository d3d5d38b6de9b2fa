import { setTimeout as delay } from 'node:timers/promises';

/** One run of a job: who asked, and how long it may take. Lambda, tests and any other host make one each. */
export interface Invocation {
  /** `awsRequestId` on Lambda. The same for a retry of the same asynchronous invocation. */
  readonly requestId: string;
  /**
   * Aborts when the run has to end: the job then starts nothing new and finishes or hands back what it began. Its reason is
   * `ENDED_EARLY` where somebody asked for that, and the time was not up.
   */
  readonly signal: AbortSignal;
  /** Milliseconds until the host stops the run, whatever it is doing. */
  remainingMs(): number;
}

/** Why a run's signal aborted before its time was up: the process ends, or the operator interrupted the command. */
export const ENDED_EARLY = new DOMException('The run was ended early', 'AbortError');

/** Starts a sibling function asynchronously (`InvocationType: Event`). Rejects if it was not accepted. */
export type Invoke = (functionName: string, payload: unknown) => Promise<void>;

/** The log that the jobs write to. Fields are data, never text of a peer; secrets do not get here. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, unknown>>;

/**
 * What the jobs need of the machine, so that tests bring their own. `monotonicMs` never jumps; `wallMs` may;
 * `random` is uniform in [0, 1); `sleep` resolves early, without error, when the signal aborts.
 */
export interface Host {
  monotonicMs(): number;
  wallMs(): number;
  random(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own clocks and randomness. */
export const systemHost: Host = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  random: Math.random,
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal }).catch(() => undefined);
  },
};

/**
 * Starts a stopwatch. It answers the milliseconds since then by the clock that says more: in a container or a laptop that
 * was frozen, one of the two clocks stands still.
 */
export function startStopwatch(host: Pick<Host, 'monotonicMs' | 'wallMs'>): () => number {
  const monotonicMs = host.monotonicMs();
  const wallMs = host.wallMs();
  return () => Math.max(host.monotonicMs() - monotonicMs, host.wallMs() - wallMs);
}
