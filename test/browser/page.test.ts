import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import axe from 'axe-core';
import type { Browser, Page } from 'puppeteer-core';
import { RedisUnavailableError } from '../../lib/errors.ts';
import { type PageServer, servePage } from '../../page/server.ts';
import { type Report, readReport } from '../../report/report.ts';
import { type Look, lookAt, needsChromium, startBrowser } from '../support/browser.ts';
import { redisForSuite } from '../support/redis.ts';
import { REPORT_STATES, type ReportState, reportParts, seedState } from '../support/report-states.ts';

/** Where the pictures are left, if it is set: somebody has to look at them, too. */
const SHOTS = process.env.PAGE_SHOTS;

const DESKTOP: Look = { width: 1200, scheme: 'light' };
const LOOKS: readonly Look[] = [
  DESKTOP,
  { width: 1200, scheme: 'dark' },
  { width: 360, scheme: 'light', phone: true },
  { width: 360, scheme: 'dark', phone: true },
];

/** What each state has to say first, and somewhere. */
const SAYS: Readonly<Record<ReportState | 'away', readonly [verdict: string, ...texts: readonly string[]]>> =
  {
    well: [
      'OK',
      '6 of 10 consumers alive, 4 producers told',
      '203.0.113.77',
      '5 of 6 peers reach our consumer API',
    ],
    untold: ['ATTENTION', '1 producer not told, 26 min after the change', '503, 6 tries'],
    'network-out': ['ATTENTION', 'Our own network is down', 'found our own network down'],
    many: ['OK', '3,332', '556', 'The 50 worst'],
    hostile: ['ATTENTION', 'Entries that cannot be called'],
    empty: ['UNKNOWN', 'Nothing has run on this Redis yet', 'No consumer is known'],
    stale: [
      'UNKNOWN',
      'The address is not being checked',
      'it was 203.0.113.77',
      'how consumers are now is unknown',
    ],
    away: ['UNKNOWN', 'Redis cannot be asked'],
  };

describe('the page in a browser', needsChromium(), () => {
  const testRedis = redisForSuite();
  let browser: Browser;
  let server: PageServer;
  let report: Report;
  let tab: Page;
  let complaints: string[] = [];

  before(async () => {
    browser = await startBrowser();
    tab = await browser.newPage();
    tab.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warn') complaints.push(message.text());
    });
    tab.on('pageerror', (error) => complaints.push(String(error)));
    tab.on('requestfailed', (request) => complaints.push(`${request.url()} failed`));
    server = await servePage(
      { address: '127.0.0.1', port: 0 },
      { report: async () => report, wallMs: Date.now },
    );
    if (SHOTS !== undefined) mkdirSync(SHOTS, { recursive: true });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Opens the page in the one tab that there is, and answers what the browser has complained about since. */
  async function open(look: Look): Promise<string[]> {
    complaints = [];
    await lookAt(tab, look);
    await tab.goto(`${server.url}?still`, { waitUntil: 'load' });
    return complaints;
  }

  async function inState(state: ReportState | 'away'): Promise<void> {
    if (state === 'away') {
      report = await readReport(reportParts({ send: refuse, close: async () => undefined }), 'page');
      return;
    }
    await testRedis().command('FLUSHALL');
    await seedState(testRedis().redis, state);
    report = await readReport(reportParts(testRedis().redis), 'page');
  }

  for (const state of [...REPORT_STATES, 'away'] as const) {
    test(`says what is going on: ${state}`, async () => {
      await inState(state);
      for (const look of LOOKS) {
        const complaints = await open(look);
        const name = `${state}, ${look.scheme}, ${look.width} px`;
        const [verdict, ...texts] = SAYS[state];
        assert.equal(await tab.$eval('h1', (heading) => heading.textContent), verdict, name);
        const text = await tab.$eval('body', (body) => body.textContent ?? '');
        for (const said of texts) assert.ok(text.includes(said), `${name}: ${said}`);
        assert.deepEqual(complaints, [], name);
        assert.deepEqual(await overflow(tab), [], name);
        // What axe finds depends on the colours and the layout: half of the looks have each.
        if ((look.width === 360) === (look.scheme === 'dark'))
          assert.deepEqual(await findings(tab), [], name);
        if (SHOTS !== undefined) {
          const file = `${state}-${look.scheme}-${look.width}.png`;
          await tab.screenshot({ path: join(SHOTS, file), fullPage: true });
        }
      }
    });
  }

  test('can be read at 400 % zoom: 1,280 px become 320', async () => {
    await inState('untold');
    await open({ width: 320, scheme: 'light' });
    assert.deepEqual(await overflow(tab), []);
  });

  test('is walked through by keyboard, and every stop is seen', async () => {
    await inState('untold');
    await open(DESKTOP);
    const stops: string[] = [];
    for (let i = 0; i < 12; i++) {
      await tab.keyboard.press('Tab');
      const stop = await focused(tab);
      if (stop === undefined) break;
      assert.ok(stop.seen, stop.name);
      stops.push(stop.name);
    }
    const expected = [
      'refresh again',
      'Address',
      'Producers told',
      'Consumers alive',
      'Last round',
      'The last 10 rounds',
      'JSON',
      'metrics',
    ];
    assert.equal(stops.length, expected.length, stops.join(' | '));
    for (const [i, name] of expected.entries()) assert.ok(stops[i]?.startsWith(name), `${stops[i]}: ${name}`);
  });

  test('runs no script and applies no style of a stranger', async () => {
    await inState('hostile');
    const complaints = await open(DESKTOP);
    assert.equal(
      await tab.$$eval('script, img, iframe, object, [style], [onerror]', (found) => found.length),
      0,
    );
    assert.deepEqual(complaints, []);
  });

  test('tells its verdict in the tab, too', async () => {
    await inState('untold');
    await open(DESKTOP);
    assert.equal(await tab.title(), 'ATTENTION - 1 producer not told');
  });
});

/** What has the keyboard's focus, and whether that is drawn. */
async function focused(tab: Page): Promise<{ name: string; seen: boolean } | undefined> {
  const found: unknown = await tab.evaluate(`(() => {
    const { activeElement } = document;
    if (activeElement === null || activeElement === document.body) return null;
    const { outlineStyle, outlineWidth } = getComputedStyle(activeElement);
    return [activeElement.textContent, outlineStyle !== 'none' && outlineWidth !== '0px'];
  })()`);
  return Array.isArray(found) ? { name: String(found[0]), seen: found[1] === true } : undefined;
}

/** Elements that stick out of the window to the side. */
function overflow(tab: Page): Promise<unknown> {
  return tab.evaluate(`(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('body *')]
      .filter((element) => element.getBoundingClientRect().right > width + 1)
      .map((element) => element.tagName + '.' + element.getAttribute('class'));
  })()`);
}

/** What axe-core finds of at least serious impact. It runs beside the page, whose policy allows no script. */
async function findings(tab: Page): Promise<string[]> {
  await tab.evaluate(axe.source);
  const found: unknown = await tab.evaluate(
    `axe.run({ exclude: ['svg'] }, { resultTypes: ['violations'] }).then(({ violations, passes }) => [
      passes.map(({ id }) => id),
      violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 120)).join(' '))])`,
  );
  const [passed, wrong] = Array.isArray(found) ? found : [];
  assert.ok(Array.isArray(passed) && passed.includes('color-contrast'), 'axe has looked at the contrast');
  return Array.isArray(wrong) ? wrong.map(String) : ['axe did not run'];
}

async function refuse(): Promise<never> {
  throw new RedisUnavailableError('Redis does not answer (ECONNREFUSED).', { mayHaveRun: false });
}
