import type { Host } from '../host.ts';
import { type Ip, networkOf } from '../peers/ip-space.ts';
import type { PeerRecord } from '../peers/registry.ts';
import type { SyncReply } from '../peers/reply.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { HealthRecord } from '../store/health-record.ts';
import type { Discovery } from '../store/rounds.ts';
import { keepWorst, type Worst } from './health.ts';
import { createHearsay, type Hearsay } from './hearsay.ts';
import { createNews, type News } from './news.ts';
import { createTally, type Mirror, type Tally } from './summary.ts';

/** What a round finds out, beside the health of consumers. */
export interface Findings {
  readonly tally: Tally;
  readonly hearsay: Hearsay;
  readonly mirror: MirrorCount;
  readonly introductions: Introductions;
  readonly news: News;
  /** Fields of consumers. */
  readonly worst: Worst<string>;
  readonly discoveries: Discovery[];
}

/** The findings of a round before its first call. */
export function createFindings({
  ownIp,
  at,
  random,
  ...known
}: {
  readonly ownIp: Ip | undefined;
  readonly secret: string;
  readonly consumers: number;
  /** When the round began. */
  readonly at: number;
  readonly random: Host['random'];
}): Findings {
  return {
    tally: createTally(),
    hearsay: createHearsay({ ...known, random }),
    mirror: createMirrorCount(ownIp),
    introductions: createIntroductions(at, random),
    news: createNews(),
    worst: keepWorst(),
    discoveries: [],
  };
}

/** Counts what peers say about us: one voice for each network, so that nobody speaks with many. */
interface MirrorCount {
  add(peer: Ip, you: SyncReply['you']): void;
  /** Undefined if nobody said anything. */
  result(): Mirror | undefined;
}

const NETWORK_BITS = { 4: 24, 6: 48 } as const;
/** Further networks are not heard: these are enough to tell, and memory is bounded. */
const MOST_VOICES = 1_000;
const MOST_OTHERS = 3;

function createMirrorCount(ownIp: Ip | undefined): MirrorCount {
  const voices = new Set<string>();
  const seen = new Map<Ip, number>();
  let reached = 0;
  let unreached = 0;
  return {
    add(peer, you) {
      if (you === undefined || (you.ip === undefined && you.answers === undefined)) return;
      const voice = networkOf(peer, NETWORK_BITS);
      if (voices.has(voice) || voices.size >= MOST_VOICES) return;
      voices.add(voice);
      if (you.ip !== undefined) seen.set(you.ip, (seen.get(you.ip) ?? 0) + 1);
      if (you.answers === true) reached += 1;
      if (you.answers === false) unreached += 1;
    },
    result() {
      if (voices.size === 0) return undefined;
      const others = [...seen].filter(([ip]) => ip !== ownIp).sort(([, a], [, b]) => b - a);
      const own = [...seen].filter(([ip]) => ip === ownIp);
      return { seen: Object.fromEntries([...own, ...others.slice(0, MOST_OTHERS)]), reached, unreached };
    },
  };
}

/** One of those that an API may tell its callers of. */
interface Introduction {
  readonly uuid: Uuid;
  readonly ip: string;
}

/**
 * Draws whom the consumer API may tell of: 50 that are alive by our own probes, those that are new or have changed within
 * an hour before the others, so that news spreads fast. Never candidates, never hearsay.
 */
interface Introductions {
  add(consumer: Pick<PeerRecord, 'uuid' | 'raw'>, health: HealthRecord | undefined): void;
  /** Whether there are as many as may be told. */
  readonly full: boolean;
  result(): Introduction[];
}

/** A caller reads no more. */
const MOST = 50;
const NEWS_MS = 3_600_000;

function createIntroductions(sinceMs: number, random: Host['random']): Introductions {
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
