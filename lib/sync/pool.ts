import type { Host } from '../host.ts';

interface Waiting {
  readonly job: () => Promise<void>;
  readonly resolve: (ran: boolean) => void;
  readonly reject: (error: unknown) => void;
}

export interface PoolOptions {
  readonly limit: number;
  /** Asked right before each job starts; what it refuses is not started later either. */
  readonly gate: () => boolean | Promise<boolean>;
  /** 0: as fast as they come. */
  readonly everyMs: number;
  readonly host: Pick<Host, 'monotonicMs' | 'sleep'>;
  /** Once aborted nobody waits for a turn any more. */
  readonly signal: AbortSignal;
}

const PAUSE_MS = 1_000;

/** Runs jobs in the order they came, at most so many at a time, and at most one each `everyMs`. */
export function createPool({ limit: most, gate, everyMs, host, signal }: PoolOptions) {
  const waiting = createQueue<Waiting>();
  let limit = most;
  let workers = 0;
  let nextMs = Number.NEGATIVE_INFINITY;
  let pausedUntilMs = Number.NEGATIVE_INFINITY;

  /** How long until the next job may start. Takes its turn. */
  const turnInMs = () => {
    const nowMs = host.monotonicMs();
    const turnMs = Math.max(nowMs, nextMs, pausedUntilMs);
    nextMs = turnMs + everyMs;
    return turnMs - nowMs;
  };

  const work = async () => {
    for (let entry = waiting.take(); entry !== undefined; entry = waiting.take()) {
      try {
        const inMs = everyMs > 0 || pausedUntilMs > 0 ? turnInMs() : 0;
        if (inMs > 0) await host.sleep(inMs, signal);
        const answer = gate();
        // No await where none is needed: what the gate said has to be true when the job starts.
        const open = typeof answer === 'boolean' ? answer : await answer;
        if (open) await entry.job();
        entry.resolve(open);
      } catch (error) {
        entry.reject(error);
      }
      if (workers > limit) break;
    }
    workers -= 1;
  };

  return {
    /** Whether the job ran: false if the gate was closed when its turn came. Rejects only if the job does. */
    run: (job: () => Promise<void>) =>
      new Promise<boolean>((resolve, reject) => {
        waiting.add({ job, resolve, reject });
        if (workers >= limit) return;
        workers += 1;
        void work();
      }),
    /** This machine is short of something: starts nothing for a second, and from then on half as many at a time. */
    slowDown(): void {
      const nowMs = host.monotonicMs();
      if (nowMs < pausedUntilMs) return;
      pausedUntilMs = nowMs + PAUSE_MS;
      limit = Math.max(1, Math.floor(limit / 2));
    },
  };
}

/** First in, first out. What was taken is let go even if the queue is never empty; `shift` of a long array is slow. */
function createQueue<Item>() {
  let adding: Item[] = [];
  let taking: Item[] = [];
  return {
    add(item: Item): void {
      adding.push(item);
    },
    take(): Item | undefined {
      if (taking.length === 0) {
        taking = adding.reverse();
        adding = [];
      }
      return taking.pop();
    },
  };
}
