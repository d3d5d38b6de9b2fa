import type { Log } from '../lib/host.ts';
import { ping, type Sent } from './alerts/send.ts';
import type { RunResult } from './run.ts';

/**
 * Tells somebody else that checks go on: who hears nothing for too long raises the alarm. Makes what takes the result of each
 * run; it does not wait, and never throws.
 *
 * Healthchecks' convention: a request to the URL after each check that was recorded, and to `<url>/fail` after one that
 * failed, with a line about it. A beat that does not arrive is not repeated: the next one is near.
 */
export function createHeartbeat({
  url,
  log,
  send = ping,
}: {
  url: URL;
  log: Log;
  send?: (url: URL, body: string) => Promise<Sent>;
}): (result: RunResult) => void {
  let failing = false;
  const beat = async (to: URL, body: string) => {
    const sent = await send(to, body);
    if (!sent.ok && !failing) log.warn('The heartbeat could not be sent', { reason: sent.reason });
    if (sent.ok && failing) log.info('The heartbeat can be sent again');
    failing = !sent.ok;
  };
  return (result) => {
    if (result.job !== 'ip-check') return;
    if (result.kind === 'failed') {
      const name = result.error instanceof Error ? result.error.name : 'error';
      void beat(failUrl(url), `The IP check failed: ${name}.\n`);
      return;
    }
    const { outcome, ip } = result.summary;
    if (outcome === 'stale' || outcome === 'aborted') return;
    void beat(url, `The IP check was recorded: ${outcome}${ip === undefined ? '' : `, ${ip}`}.\n`);
  };
}

/** `/fail` after the path; a query stays behind it. */
function failUrl(url: URL): URL {
  const fail = new URL(url);
  fail.pathname = `${fail.pathname.replace(/\/$/, '')}/fail`;
  return fail;
}
