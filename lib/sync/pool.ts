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
  readonly host: Pick<Host, 'monotonicMs' | 'random' | 'sleep'>;
  /** Once aborted nobody waits for a turn any more. */
  readonly signal: AbortSignal;
}

const PAUSE_MS = 1_000;
/** So many others start between two jobs that can wait. */
const OTHERS_BETWEEN = 9;

/** Whether a job can overtake those that came before it, or can wait for all others. */
export type Rank = 'overtake' | 'wait';

/**
 * Runs jobs in the order they came, at most so many at a time, and at most one each `everyMs`. Those that can overtake
 * come first. Those that can wait get one start in ten as long as others come, and the rest at the end.
 */
export function createPool({ limit: most, gate, everyMs, host, signal }: PoolOptions) {
  const overtaking = createQueue<Waiting>();
  const waiting = createQueue<Waiting>();
  const canWait = createQueue<Waiting>();
  // At random, so that either kind has its turn even where there is time for one start only.
  let othersStarted = Math.floor(host.random() * (OTHERS_BETWEEN + 1));
  let othersToCome = true;
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

  const takeOther = () => overtaking.take() ?? waiting.take();
  const takeNext = (): Waiting | undefined => {
    if (othersStarted >= OTHERS_BETWEEN) {
      const entry = canWait.take();
      if (entry === undefined) return takeOther();
      othersStarted = 0;
      return entry;
    }
    const entry = takeOther();
    if (entry !== undefined) othersStarted += 1;
    return entry ?? (othersToCome ? undefined : canWait.take());
  };

  const work = async () => {
    for (let entry = takeNext(); entry !== undefined; entry = takeNext()) {
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

  const startWorker = () => {
    if (workers >= limit) return;
    workers += 1;
    void work();
  };

  return {
    /** Whether the job ran: false if the gate was closed when its turn came. Rejects only if the job does. */
    run: (job: () => Promise<void>, can?: Rank) =>
      new Promise<boolean>((resolve, reject) => {
        const queue = can === 'wait' ? canWait : can === 'overtake' ? overtaking : waiting;
        queue.add({ job, resolve, reject });
        startWorker();
      }),
    /** Lets those that can wait start as soon as nobody else waits. Until this is said, they wait for others to come. */
    othersHaveCome(): void {
      othersToCome = false;
      for (let idle = limit - workers; idle > 0; idle--) startWorker();
    },
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
