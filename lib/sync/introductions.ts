import type { Host } from '../host.ts';
import type { PeerRecord } from '../peers/registry.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { HealthRecord } from '../store/health-record.ts';

/** One of those that an API may tell its callers of. */
export interface Introduction {
  readonly uuid: Uuid;
  readonly ip: string;
}

/**
 * Draws whom the consumer API may tell of: 50 that are alive by our own probes, those that are new or have changed within
 * an hour before the others, so that news spreads fast. Never candidates, never hearsay.
 */
export interface Introductions {
  add(consumer: Pick<PeerRecord, 'uuid' | 'raw'>, health: HealthRecord | undefined): void;
  /** Whether there are as many as may be told. */
  readonly full: boolean;
  result(): Introduction[];
}

/** A caller reads no more. */
const MOST = 50;
const NEWS_MS = 3_600_000;

export function createIntroductions(sinceMs: number, random: Host['random']): Introductions {
  const news = createSample(random);
  const others = createSample(random);
  return {
    add({ uuid, raw }, health) {
      if (health?.state !== 'alive') return;
      const isNews = health.since > sinceMs - NEWS_MS;
      (isNews ? news : others).add({ uuid, ip: raw });
    },
    get full() {
      return news.items.length + others.items.length >= MOST;
    },
    result: () => [...news.items, ...others.items].slice(0, MOST),
  };
}

/** As many of all that were offered, each with the same probability (reservoir sampling). */
function createSample(random: Host['random']) {
  const items: Introduction[] = [];
  let offered = 0;
  return {
    items,
    add(item: Introduction): void {
      offered += 1;
      const place = items.length < MOST ? items.length : Math.floor(random() * offered);
      if (place < MOST) items[place] = item;
    },
  };
}
