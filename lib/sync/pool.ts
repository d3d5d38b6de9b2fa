/** Runs jobs in the order they came, at most so many at a time. One pool serves all open pages. */
export interface Pool {
  /** Whether the job ran: false if the gate was closed when its turn came. Rejects only if the job does. */
  run(job: () => Promise<void>): Promise<boolean>;
}

interface Waiting {
  readonly job: () => Promise<void>;
  readonly resolve: (ran: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** `gate` is asked right before each job starts; what it refuses is not started later either. */
export function createPool(limit: number, gate: () => boolean | Promise<boolean>): Pool {
  const waiting = createQueue<Waiting>();
  let workers = 0;

  const work = async () => {
    for (let entry = waiting.take(); entry !== undefined; entry = waiting.take()) {
      try {
        const answer = gate();
        // No await where none is needed: what the gate said has to be true when the job starts.
        const open = typeof answer === 'boolean' ? answer : await answer;
        if (open) await entry.job();
        entry.resolve(open);
      } catch (error) {
        entry.reject(error);
      }
    }
    workers -= 1;
  };

  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        waiting.add({ job, resolve, reject });
        if (workers >= limit) return;
        workers += 1;
        void work();
      }),
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
