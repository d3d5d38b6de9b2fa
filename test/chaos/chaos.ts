import { PLANTED, type PlantedName } from '../support/planted.ts';
import { bundleWorker } from './bundle-worker.ts';
import { type Run, runOnce } from './course.ts';
import { type Lane, startLane } from './lane.ts';
import { addTo, createTally, type Tally } from './tally.ts';

export interface ChaosOptions {
  /** How many runs; the n-th has the seed `seed + n - 1`. */
  readonly runs: number;
  readonly seed: number;
  /** How many go on side by side, each with a redis-server and handlers of its own. */
  readonly lanes: number;
  /** A mistake to plant into the scripts. */
  readonly plant?: PlantedName | undefined;
  /** Whether to begin no run after one that failed. */
  readonly untilFailure?: boolean;
  /** No run begins after that, and one that has begun does not count. */
  readonly signal?: AbortSignal;
  onRun?(run: Run): void;
}

export interface ChaosReport {
  readonly tally: Tally;
  readonly failures: readonly Run[];
  readonly tookMs: number;
}

/**
 * Runs the chaos: real handlers in processes that are killed, a real redis-server that is killed, real producers. Ends all that
 * it started.
 *
 * @throws Error if there is no redis-server, or the machinery itself fails.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { runs, seed, plant, untilFailure = false, signal, onRun } = options;
  const mistakes = plant === undefined ? [] : PLANTED[plant].mistakes;
  const tally = createTally();
  const failures: Run[] = [];
  const startedAt = performance.now();
  let begun = 0;
  const mayBegin = () => begun < runs && !signal?.aborted && !(untilFailure && failures.length > 0);

  const work = async (lane: Lane) => {
    while (mayBegin()) {
      const run = await runOnce(lane, seed + begun++);
      // A Ctrl-C reaches redis-server and the handlers too: what it broke is nobody's fault.
      if (signal?.aborted) return;
      addTo(tally, run.tally);
      if (run.failed) failures.push(run);
      onRun?.(run);
    }
  };
  const inLane = async () => {
    const lane = await startLane(worker.path, mistakes);
    try {
      await work(lane);
    } catch (error) {
      if (!signal?.aborted) throw error;
    } finally {
      await lane.close();
    }
  };
  const worker = await bundleWorker();
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(options.lanes, runs) }, inLane));
  await worker.remove();
  for (const lane of lanes) if (lane.status === 'rejected') throw lane.reason;
  return { tally, failures, tookMs: performance.now() - startedAt };
}
