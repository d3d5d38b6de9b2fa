import type { Log } from '../host.ts';
import type { RoundSummary } from './summary.ts';

/** What can happen to a consumer in a round that an operator wants to read. */
type Event = 'joined' | 'moved' | 'died' | 'came back';

/** Of each kind so many are named, the others are counted. */
const MOST_NAMED = 10;

const LINES: Readonly<Record<Event, string>> = {
  joined: 'Consumers joined: they answered for the first time',
  moved: 'Consumers moved to another address',
  died: 'Consumers died: they do not answer any more',
  'came back': 'Consumers came back: they answer again',
};

/** Collects what happened to consumers in a round, and says it at its end, so that a log line is never one of thousands. */
export function createNews() {
  const events = new Map<Event, { count: number; named: { uuid: string; address: string }[] }>();
  return {
    add(event: Event, { uuid, address }: { readonly uuid: string; readonly address: string }): void {
      const happened = events.get(event) ?? { count: 0, named: [] };
      events.set(event, happened);
      happened.count += 1;
      if (happened.named.length < MOST_NAMED) happened.named.push({ uuid, address });
    },
    /** Writes a line for each kind of event. */
    tell(log: Log): void {
      for (const [event, { count, named }] of events) {
        log.info(LINES[event], {
          consumers: named,
          ...(count > named.length ? { more: count - named.length } : {}),
        });
      }
    },
  };
}

/**
 * Says once that our own network is down and once that it is back, why a round ended early, and by reason which entries
 * it could not use. If somebody ended the run (`endedEarly`), there is nothing to set.
 */
export function tellCourse(
  log: Log,
  { inconclusive, stopped, skipped }: RoundSummary,
  { outageBefore, endedEarly }: { readonly outageBefore: boolean; readonly endedEarly: boolean },
): void {
  if (inconclusive && !outageBefore) {
    log.warn(
      'Our own network seems to be down: consumers do not answer, and nothing else does. Their failures do not count.',
    );
  } else if (outageBefore && !inconclusive) {
    log.info('Our own network is back: consumers or IP sources answer again');
  }
  if (stopped === 'time' && !endedEarly) {
    log.warn(
      'The round ran out of time before it had called everyone; the next round goes on from there. ' +
        'If this repeats, raise SYNC_CONCURRENCY or SYNC_INTERVAL_MS.',
    );
  }
  const { self: _, repeated: __, ...reasons } = skipped;
  if (Object.keys(reasons).length === 0) return;
  log.warn('Entries of consumers that cannot be used were skipped', { reasons });
}

/** Warns of keys that the round did without: they hold a wrong type, or may not be written. */
export function warnOfUnusable(log: Log, keys: readonly string[]): void {
  if (keys.length === 0) return;
  log.warn('Keys that could not be used were left alone; `doctor` says what to do', { keys });
}
