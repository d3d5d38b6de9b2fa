import { once } from 'node:events';
import { ConfigError } from '../lib/errors.ts';

/** Starts a reference peer and ends it in order on SIGINT or SIGTERM. `start` answers how to end it. */
export async function runKit(start: () => Promise<() => Promise<void>>): Promise<void> {
  try {
    const stop = await start();
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    await stop();
  } catch (error) {
    if (error instanceof ConfigError) console.error(error.message);
    else if (isListening(error)) {
      console.error(
        `Cannot listen (${error.message}). LISTEN names another address or port; below 1024 takes root.`,
      );
    } else throw error;
    process.exitCode = 78;
  }
}

/** Whether the system refused to listen: the port is in use, or only root may take it. */
function isListening(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && error.syscall === 'listen';
}
