import type { Host } from '../host.ts';
import type { Source, Vote } from '../ip/vote.ts';

/** Finds out whether it is our own network that is down. */
export interface OutageCheck {
  /** True if none of the `https://` sources answers; false without such a source. An answer is reused for 30 s. */
  isOurs(signal: AbortSignal): Promise<boolean>;
}

const REUSE_MS = 30_000;
/** These say that somebody answered, if not with an IP. A `tls` error may be a captive portal, which is no network. */
const REPLIED: readonly string[] = ['status', 'oversized', 'not-an-ip', 'not-public', 'wrong-family'];

/** What of a page decides whether it has to be checked. Times are monotonic milliseconds. */
export interface PageVerdict {
  readonly succeeded: number;
  readonly failed: number;
  /** When any probe of the round last succeeded; -Infinity if none has. */
  readonly lastSuccessMs: number;
  /** When the page before the last one began; of the first two, when the round did. */
  readonly beforeLastBeganMs: number;
}

/** Whether a page looks like an outage: all its probes failed, and nothing has succeeded for two pages. */
export function isSuspicious({ succeeded, failed, lastSuccessMs, beforeLastBeganMs }: PageVerdict): boolean {
  return failed > 0 && succeeded === 0 && lastSuccessMs < beforeLastBeganMs;
}

export function createOutageCheck(sources: readonly Source[], host: Pick<Host, 'monotonicMs'>): OutageCheck {
  const services = sources.filter(({ kind }) => kind === 'http');
  let last: { readonly atMs: number; readonly ours: boolean } | undefined;
  return {
    async isOurs(signal) {
      if (services.length === 0) return false;
      if (last === undefined || host.monotonicMs() - last.atMs > REUSE_MS) {
        const ours = !(await anyAnswers(services, signal));
        last = { atMs: host.monotonicMs(), ours };
      }
      return last.ours;
    },
  };
}

/** Asks all at once; the first that answers ends the others. All have ended when this resolves. */
async function anyAnswers(services: readonly Source[], signal: AbortSignal): Promise<boolean> {
  const found = new AbortController();
  const either = AbortSignal.any([signal, found.signal]);
  await Promise.all(
    services.map(async (source) => {
      if (hasAnswered(await source.ask(either))) found.abort();
    }),
  );
  return found.signal.aborted;
}

function hasAnswered(vote: Vote): boolean {
  return vote.kind === 'ip' || REPLIED.includes(vote.error);
}
