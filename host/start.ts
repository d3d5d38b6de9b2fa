// npm run host: the scheduler on this machine, without AWS. Exit codes: see `EXIT` in main.ts.
import { ConfigError } from '../lib/errors.ts';
import { readEnvironment } from './env-file.ts';
import { EXIT, runHost } from './main.ts';

try {
  process.exit(
    await runHost(readEnvironment(process.cwd(), { ...process.env, ...namedFile(process.argv.slice(2)) })),
  );
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(EXIT.misconfigured);
}

/** The one option: `--env-file <file>` or `--env-file=<file>`. */
function namedFile(args: readonly string[]): { LOCAL_ENV_FILE?: string } {
  const [, file] = /^--env-file[= ](.+)$/.exec(args.join(' ')) ?? [];
  if (args.length === 0) return {};
  if (file !== undefined) return { LOCAL_ENV_FILE: file };
  throw new ConfigError(['the only option is --env-file <file>; everything else is a variable']);
}
