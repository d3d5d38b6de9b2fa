// npm start: the whole scheduler on this machine. Exit code 0 when asked to end (Ctrl-C, SIGTERM, SIGHUP, npm gone),
// 1 when it could not start or a part of it died, 128 and the signal's number when a second one did not let it end in order.
import { fileURLToPath } from 'node:url';
import { fileOption } from '../host/env-file.ts';
import { ConfigError } from '../lib/errors.ts';
import { readStack } from './env.ts';
import { StartError, watchForEnd } from './lifecycle.ts';
import { runStack } from './stack.ts';

const ends: (() => Promise<void>)[] = [];
const ending = new AbortController();

// The children end by themselves when this process is gone.
watchForEnd((why) => {
  if (ending.signal.aborted) return;
  console.log(`\nEnding everything (${why}).`);
  ending.abort();
});

const folder = fileURLToPath(new URL('..', import.meta.url));
let code = 0;
try {
  await runStack(readStack(folder, { ...process.env, ...fileOption(process.argv.slice(2)) }), {
    folder,
    print: (text) => console.log(text),
    colour: process.stdout.isTTY === true && !process.env.NO_COLOR,
    columns: Math.min(process.stdout.columns ?? 80, 100),
    onEnd: (end) => ends.push(end),
    signal: ending.signal,
  });
} catch (error) {
  if (!ending.signal.aborted) {
    code = 1;
    if (error instanceof StartError || error instanceof ConfigError) console.error(error.message);
    else console.error(error);
  }
}
ending.abort();
for (const end of ends.reverse()) await end().catch(() => undefined);
process.exit(code);
