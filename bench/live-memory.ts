import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const SAMPLE_MS = 100;

/**
 * Collects garbage ten times a second and notes what is left, in and outside the heap. The function that it answers ends
 * that and tells the most in MB. The resident set alone cannot show a leak: it also grows while V8 has no reason to
 * clear up.
 */
export function sampleLiveMemory(): () => number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let most = 0;
  const sample = () => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    most = Math.max(most, heapUsed + external);
  };
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    sample();
    return most / 2 ** 20;
  };
}
