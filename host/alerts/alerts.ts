import type { AppParts } from '../../lib/app.ts';
import { RedisReplyError, RedisUnavailableError } from '../../lib/errors.ts';
import type { Log } from '../../lib/host.ts';
import type { Report } from '../../report/report.ts';
import { type AlertState, afterSending, firstState, maySend, nextState } from './decide.ts';
import { type Message, messageOf } from './message.ts';
import type { Sent } from './send.ts';
import { loadState, saveState } from './state.ts';

export interface AlertsOptions {
  readonly parts: Pick<AppParts, 'redis' | 'keys' | 'host' | 'config'>;
  /** Reads the report anew. */
  readonly report: () => Promise<Report>;
  readonly send: (message: Message) => Promise<Sent>;
  readonly log: Log;
}

/**
 * Tells the operator what has changed: looks at the report, and sends what is to be told and may be. Call it about once a
 * minute; calls that overlap are one. Never rejects.
 */
export type LookForAlerts = () => Promise<void>;

/** After a failure it is tried again after so long, doubling, */
const FIRST_PAUSE_MS = 30_000;
/** but at least this often: whoever is down for a night is told in the morning. */
const LONGEST_PAUSE_MS = 900_000;

/**
 * What was told is kept in Redis, so that a restart tells nothing twice and forgets nothing. It is kept after it was sent: a
 * process that dies in between sends the same message, with the same id, once more. While Redis is away the state goes on in
 * memory, so that this, too, is told.
 */
export function createAlerts({ parts, report, send, log }: AlertsOptions): LookForAlerts {
  let state: AlertState | undefined;
  /** Whether `state` has something that Redis does not. */
  let unsaved = false;
  /** Whether Redis refuses to keep it: its key has another type, or we may not write it. */
  let refused = false;
  let failures = 0;
  let notBeforeMs = 0;
  let looking: Promise<void> | undefined;

  const keep = async (next: AlertState) => {
    if (JSON.stringify(next) === JSON.stringify(state) && !unsaved) return;
    state = next;
    unsaved = true;
    const saved = await tried(() => saveState(next, parts));
    unsaved = saved !== 'done';
    if (saved === 'refused' && !refused) {
      log.warn('What was told cannot be kept in Redis: a restart tells it again', { key: parts.keys.alerts });
    }
    refused = saved === 'refused';
  };

  const look = async () => {
    const found = await report();
    const nowMs = found.facts?.nowMs ?? parts.host.wallMs();
    if (!unsaved && found.facts !== undefined) {
      // Another host of the same consumer, or this one before its restart, may have told more.
      const loaded = await tried(async () => {
        state = (await loadState(parts)) ?? state;
      });
      if (loaded === 'away') return;
    }
    await keep(nextState(state ?? firstState(found, nowMs), found, nowMs));
    const current = state;
    if (current === undefined || !maySend(current, nowMs)) return;
    if (parts.host.monotonicMs() < notBeforeMs) return;
    const { queue } = current;
    const sent = await send(messageOf(queue, parts.config.localUuid));
    if (sent.ok) {
      if (failures > 0) log.info('Alerts can be sent again');
      failures = 0;
      notBeforeMs = 0;
      await keep(afterSending(current, queue, nowMs));
      return;
    }
    if (failures === 0) log.warn('An alert could not be sent; it is tried again', { reason: sent.reason });
    notBeforeMs = parts.host.monotonicMs() + Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
    failures += 1;
  };

  return () => {
    looking ??= look()
      .catch((error) => log.error('The alerts could not look at the report', { error }))
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };
}

/** Runs something with Redis, and answers whether it was done. */
async function tried(work: () => Promise<void>): Promise<'done' | 'away' | 'refused'> {
  try {
    await work();
    return 'done';
  } catch (error) {
    if (error instanceof RedisUnavailableError) return 'away';
    if (error instanceof RedisReplyError) return 'refused';
    throw error;
  }
}
