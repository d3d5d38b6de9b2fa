import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const SAMPLE_MS = 10;

/** How many file descriptors the process has open, or undefined where the system does not say (other than Linux). */
export async function openDescriptors(pid: number): Promise<number | undefined> {
  return readdir(`/proc/${pid}/fd`).then(
    (names) => names.length,
    () => undefined,
  );
}

/** The most descriptors that the process was seen with, every 10 ms, while `work` ran. */
export async function peakDescriptors<Result>(
  pid: number,
  work: () => Promise<Result>,
): Promise<{ result: Result; peak: number }> {
  let peak = 0;
  let working = true;
  const sampling = (async () => {
    while (working) {
      peak = Math.max(peak, (await openDescriptors(pid)) ?? 0);
      await delay(SAMPLE_MS);
    }
  })();
  const stop = async () => {
    working = false;
    await sampling;
  };
  const result = await work().finally(stop);
  return { result, peak };
}
