import { once } from 'node:events';
import type { Config } from '../lib/config.ts';
import type { Host, Log } from '../lib/host.ts';
import { type PageServer, servePage, urlOf, whyNotServed } from '../page/server.ts';
import type { Report } from '../report/report.ts';

/** An address that is not free now may be free later. */
const TRY_AGAIN_MS = 30_000;

export interface PageServiceOptions {
  readonly page: NonNullable<Config['host']['page']>;
  readonly report: () => Promise<Report>;
  readonly log: Log;
  readonly host: Pick<Host, 'sleep' | 'wallMs'>;
}

/**
 * Serves the status page until the signal aborts. An address that cannot be listened on is said once and tried again: the
 * scheduler works without its page. Never rejects.
 */
export async function runPageService(
  { page, report, log, host }: PageServiceOptions,
  signal: AbortSignal,
): Promise<void> {
  let server: PageServer | undefined;
  for (let tries = 0; server === undefined && !signal.aborted; tries++) {
    try {
      server = await servePage(page, { report, token: page.token, wallMs: host.wallMs });
    } catch (error) {
      if (tries === 0)
        log.warn('The status page cannot be served; it is tried again', {
          url: urlOf(page),
          reason: `Port ${page.port} ${whyNotServed(error)}`,
        });
      await host.sleep(TRY_AGAIN_MS, signal);
    }
  }
  if (server === undefined) return;
  log.info('The status page is served', { url: server.url });
  if (!signal.aborted) await once(signal, 'abort');
  await server.close();
}
