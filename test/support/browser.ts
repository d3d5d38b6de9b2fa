import { existsSync } from 'node:fs';
import { type Browser, launch, type Page } from 'puppeteer-core';

/** Where Debian, Ubuntu, Fedora, Arch and macOS have it. `CHROMIUM` names another place. */
const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The Chromium of this machine, if there is one. */
export function findChromium(): string | undefined {
  return [process.env.CHROMIUM ?? '', ...PLACES].find((place) => place !== '' && existsSync(place));
}

/**
 * Options for a test that needs Chromium: skipped, with the reason, where there is none.
 *
 * @throws Error where CI is set: there, a missing browser must not look like a pass.
 */
export function needsChromium(): { skip?: string } {
  if (findChromium() !== undefined) return {};
  if (process.env.CI) throw new Error('CI needs Chromium: tests must not be skipped there.');
  return { skip: 'NEEDS Chromium (apt-get install chromium, or CHROMIUM=/path/to/it)' };
}

/** Starts the browser without a window. The caller closes it. */
export function startBrowser(): Promise<Browser> {
  return launch({
    executablePath: findChromium() ?? 'chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars'],
  });
}

/** How a page is looked at. */
export interface Look {
  readonly width: number;
  readonly scheme: 'light' | 'dark';
  /** A phone's: touch and its viewport meta tag count. */
  readonly phone?: boolean;
}

/** Has the tab look so from the next page on. */
export async function lookAt(tab: Page, { width, scheme, phone = false }: Look): Promise<void> {
  await tab.setViewport({ width, height: 800, isMobile: phone, hasTouch: phone });
  await tab.emulateMediaFeatures([
    { name: 'prefers-color-scheme', value: scheme },
    { name: 'prefers-reduced-motion', value: 'reduce' },
  ]);
}
