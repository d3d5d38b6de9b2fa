// npm run picture: draws docs/status-page.png, the picture of the README, from the page of the `npm start` that runs in this
// folder. Needs Chromium.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findEnvironment } from '../host/find-environment.ts';
import { describeVariable } from '../lib/variables.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PICTURE = fileURLToPath(new URL('../docs/status-page.png', import.meta.url));
const SIZE = '1100,1180';

const { env } = findEnvironment(ROOT, process.env);
const port = env.LOCAL_PAGE_PORT || describeVariable('LOCAL_PAGE_PORT').fallback;
const { status, stderr } = spawnSync(
  process.env.CHROMIUM ?? 'chromium',
  [
    '--headless=new',
    '--no-sandbox',
    '--hide-scrollbars',
    '--disable-gpu',
    `--window-size=${SIZE}`,
    `--screenshot=${PICTURE}`,
    `http://127.0.0.1:${port}/?still`,
  ],
  { encoding: 'utf8', timeout: 60_000 },
);
if (status !== 0) {
  process.stderr.write(`No picture was made: is "npm start" running, and Chromium installed?\n${stderr}\n`);
  process.exit(1);
}
process.stdout.write(`${PICTURE}\n`);
