import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';

/**
 * An exported function of a module, run in a thread of its own, one call at a time. `node:test` follows each promise of
 * its own thread, which more than doubles the time of a simulation that makes millions of them.
 *
 * Arguments and results are copied, so there are no functions among them. Rejects with what the function threw.
 */
export function inThread<Args extends readonly unknown[], Result>(
  module: URL,
  name: string,
): (...args: Args) => Promise<Result> {
  let thread: Worker | undefined;
  return async (...args) => {
    thread ??= new Worker(new URL(import.meta.url), { workerData: { module: module.href, name } });
    thread.ref();
    thread.postMessage(args);
    const [{ result, error }] = await once(thread, 'message');
    // It lets the process end while nobody waits for it.
    thread.unref();
    if (error !== undefined) throw error;
    return result;
  };
}

if (parentPort !== null) {
  const port = parentPort;
  const { [workerData.name]: run } = await import(workerData.module);
  port.on('message', async (args) => {
    try {
      port.postMessage({ result: await run(...args) });
    } catch (error) {
      port.postMessage({ error });
    }
  });
}
