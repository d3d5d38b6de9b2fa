export interface LaneOptions {
  /** Tasks that run at the same time. */
  readonly atOnce: number;
  /** Tasks that may wait for one of those places. */
  readonly waiting: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Runs tasks in the background, a bounded number at a time. */
export interface Lane {
  /**
   * Starts the task as soon as there is a place, never before the caller goes on. Answers false where none may wait any
   * more, or the lane is closed: the task is then never started.
   */
  add(task: () => Promise<unknown>): boolean;
  /** Forgets what waits. What runs goes on. */
  close(): void;
}

/**
 * Of the waiting tasks any may be next. In the order of their coming, the last shards of each round would always be those
 * that come too late.
 */
export function createLane({ atOnce, waiting: mostWaiting, random }: LaneOptions): Lane {
  const waiting: (() => Promise<unknown>)[] = [];
  let running = 0;
  let closed = false;

  const startNext = () => {
    if (running >= atOnce) return;
    const [task] = waiting.splice(Math.floor(random() * waiting.length), 1);
    if (task === undefined) return;
    running += 1;
    task().finally(() => {
      running -= 1;
      startNext();
    });
  };

  return {
    add(task) {
      if (closed || waiting.length >= mostWaiting) return false;
      waiting.push(task);
      setImmediate(startNext);
      return true;
    },
    close() {
      closed = true;
      waiting.length = 0;
    },
  };
}
