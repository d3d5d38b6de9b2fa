/** The input of the baselines: whom to call, how. The body and the headers are those of the real calls. */
export interface LoopParams {
  readonly first: number;
  readonly count: number;
  readonly port: number;
  readonly concurrency: number;
  readonly path: '/sync' | '/ip';
  readonly body: string;
}

/** Runs `task` for 0 … `count` - 1, `concurrency` at a time: the least that such a loop can be. */
export async function forEachIndex(
  count: number,
  concurrency: number,
  task: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
}
