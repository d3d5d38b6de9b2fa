// npm run p2p -- <command>. Exit codes: see exit-code.ts.
import { runCli } from './main.ts';

process.exit(await runCli(process.argv.slice(2), process.env));
