import type { Prepare } from '../contestant.ts';
import { ipOf } from '../world.ts';
import { forEachIndex, type LoopParams } from './loop.ts';

/** The same loop as one would first write it: global `fetch`, the reply read as JSON. */
export const prepare: Prepare<LoopParams> = async ({ first, count, port, concurrency, path, body }) => ({
  async run() {
    await forEachIndex(count, concurrency, async (index) => {
      const response = await fetch(`http://${ipOf(first + index)}:${port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'close' },
        body,
      });
      await response.json();
      if (!response.ok) throw new Error(`status ${response.status}`);
    });
    return { calls: count };
  },
});
