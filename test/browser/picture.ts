// npm run picture: draws docs/status-page.png, the picture of the README: the page while one producer is not told. Needs Chromium.
import { fileURLToPath } from 'node:url';
import { servePage } from '../../page/server.ts';
import { readReport } from '../../report/report.ts';
import { lookAt, startBrowser } from '../support/browser.ts';
import { startTestRedis } from '../support/redis.ts';
import { reportParts, seedState } from '../support/report-states.ts';

const PICTURE = fileURLToPath(new URL('../../docs/status-page.png', import.meta.url));

const redis = await startTestRedis({ after: () => undefined });
await seedState(redis.redis, 'untold');
const report = await readReport(reportParts(redis.redis), 'page');
const server = await servePage(
  { address: '127.0.0.1', port: 0 },
  { report: async () => report, wallMs: Date.now },
);
const browser = await startBrowser();
const tab = await browser.newPage();
await lookAt(tab, { width: 1100, scheme: 'light' });
await tab.goto(server.url, { waitUntil: 'load' });
await tab.screenshot({ path: PICTURE, clip: { x: 0, y: 0, width: 1100, height: 1420 } });
await browser.close();
await server.close();
await redis.stop();
process.stdout.write(`${PICTURE}\n`);
