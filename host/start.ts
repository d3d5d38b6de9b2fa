// npm run host: the scheduler on this machine, without AWS. Exit codes: see `EXIT` in main.ts.
import { ConfigError } from '../lib/errors.ts';
import { fileOption, readEnvironment } from './env-file.ts';
import { EXIT, runHost } from './main.ts';

try {
  process.exit(
    await runHost(readEnvironment(process.cwd(), { ...process.env, ...fileOption(process.argv.slice(2)) })),
  );
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(EXIT.misconfigured);
}
