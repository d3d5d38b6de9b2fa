/** Virtual time: what happens in it is a list of things to do at a whole millisecond, done in order. */
export interface EventLoop {
  /** Milliseconds since the epoch, in the simulated world. */
  readonly nowMs: number;
  /** Does something so many milliseconds from now, rounded up to a whole one. */
  after(ms: number, act: () => void): void;
  /** Rejects `run`. What was to be done is not done any more. */
  fail(error: unknown): void;
  /** Goes through time until nothing is left to do. Rejects with what an action threw. */
  run(): Promise<void>;
}

/**
 * Time stands still until everything that an event set off has come to rest: promises settle between one millisecond and
 * the next, which is why code under it may await whatever it likes, except real timers and real I/O.
 *
 * Events of one millisecond share a bucket, so that the queue holds milliseconds and not events: a round of 1,000 nodes
 * has a million of these.
 */
export function createEventLoop(startMs: number): EventLoop {
  const buckets = new Map<number, (() => void)[]>();
  const times = createHeap();
  let nowMs = startMs;
  let failed: { readonly error: unknown } | undefined;

  const takeEarliest = () => {
    const ms = times.take();
    if (ms === undefined) return undefined;
    nowMs = ms;
    const bucket = buckets.get(ms);
    buckets.delete(ms);
    return bucket;
  };

  return {
    get nowMs() {
      return nowMs;
    },
    after(ms, act) {
      const at = nowMs + Math.max(0, Math.ceil(ms));
      const bucket = buckets.get(at);
      if (bucket !== undefined) {
        bucket.push(act);
      } else {
        buckets.set(at, [act]);
        times.add(at);
      }
    },
    fail(error) {
      failed ??= { error };
    },
    run: () =>
      new Promise((resolve, reject) => {
        const turn = () => {
          try {
            const bucket = failed === undefined ? takeEarliest() : undefined;
            for (const act of bucket ?? []) act();
            if (failed !== undefined) return reject(failed.error);
            if (bucket === undefined) return resolve();
            // A macrotask begins only once all microtasks are done, those that microtasks add among them.
            setImmediate(turn);
          } catch (error) {
            reject(error);
          }
        };
        setImmediate(turn);
      }),
  };
}

/** A binary heap of numbers, the smallest first. */
function createHeap(): { add(value: number): void; take(): number | undefined } {
  const heap: number[] = [];
  const at = (index: number) => heap[index] ?? Number.POSITIVE_INFINITY;

  return {
    add(value) {
      let index = heap.length;
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (at(parent) <= value) break;
        heap[index] = at(parent);
        index = parent;
      }
      heap[index] = value;
    },
    take() {
      const smallest = heap[0];
      const last = heap.pop();
      if (smallest === undefined || last === undefined || heap.length === 0) return smallest;
      let index = 0;
      for (;;) {
        const left = 2 * index + 1;
        const child = at(left + 1) < at(left) ? left + 1 : left;
        if (at(child) >= last) break;
        heap[index] = at(child);
        index = child;
      }
      heap[index] = last;
      return smallest;
    },
  };
}
