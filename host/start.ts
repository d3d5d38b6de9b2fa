// npm run host: the scheduler on this machine, without AWS. Exit codes: see `EXIT` in main.ts.
import { fileOption, readEnvironment } from './env-file.ts';
import { runHost } from './main.ts';

const { argv, env } = process;
process.exit(await runHost(() => readEnvironment(process.cwd(), { ...env, ...fileOption(argv.slice(2)) })));
