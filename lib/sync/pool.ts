/** Runs jobs in the order they came, at most so many at a time. One pool serves all open pages. */
export interface Pool {
  /** Whether the job ran: false if the gate was closed when its turn came. Rejects only if the job does. */
  run(job: () => Promise<void>): Promise<boolean>;
}

interface Waiting {
  readonly job: () => Promise<void>;
  readonly settle: (ran: boolean | Promise<boolean>) => void;
}

/** `gate` is asked right before each job starts; what it refuses is not started later either. */
export function createPool(limit: number, gate: () => boolean | Promise<boolean>): Pool {
  const waiting: Waiting[] = [];
  let next = 0;
  let workers = 0;

  const work = async () => {
    for (let entry = waiting[next]; entry !== undefined; entry = waiting[next]) {
      next += 1;
      if (next === waiting.length) waiting.length = next = 0;
      const { job, settle } = entry;
      await (async () => {
        const answer = gate();
        // No await where none is needed: what the gate said has to be true when the job starts.
        const open = typeof answer === 'boolean' ? answer : await answer;
        if (open) await job();
        return open;
      })().then(settle, (error: unknown) => settle(Promise.reject(error)));
    }
    workers -= 1;
  };

  return {
    run: (job) =>
      new Promise((settle) => {
        waiting.push({ job, settle });
        if (workers >= limit) return;
        workers += 1;
        void work();
      }),
  };
}
