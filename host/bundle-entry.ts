// What `npm run bundle` makes one file of: `node p2p-scheduler.mjs host`.
import { ConfigError } from '../lib/errors.ts';
import { readEnvironment } from './env-file.ts';
import { EXIT, runHost } from './main.ts';

const USAGE = 'usage: p2p-scheduler host\n';

process.exit(await run(process.argv.slice(2)));

async function run([command]: readonly string[]): Promise<number> {
  if (command !== 'host') {
    process.stderr.write(USAGE);
    return 2;
  }
  try {
    return await runHost(readEnvironment(process.cwd(), process.env));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT.misconfigured;
  }
}
