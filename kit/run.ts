import { once } from 'node:events';
import { ConfigError } from '../lib/errors.ts';

/** Starts a reference peer and ends it in order on SIGINT or SIGTERM. `start` answers how to end it. */
export async function runKit(start: () => Promise<() => Promise<void>>): Promise<void> {
  try {
    const stop = await start();
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    await stop();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exitCode = 78;
  }
}
