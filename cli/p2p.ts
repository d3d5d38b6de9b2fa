// npm run p2p -- <command>. Exit codes: see exit-code.ts.
import { runCommand } from './run.ts';
import { processTerminal } from './terminal.ts';

process.exit(await runCommand(process.argv.slice(2), processTerminal(process.env)));
