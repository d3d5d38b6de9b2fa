import type { Host } from '../host.ts';
import { type Ip, networkOf } from '../peers/ip-space.ts';
import type { PeerRecord } from '../peers/registry.ts';
import { MAX_HEARD, type SyncReply } from '../peers/reply.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { HealthRecord } from '../store/health-record.ts';
import type { PartState, WorstConsumer } from '../store/part-state.ts';
import type { Discovery } from '../store/rounds.ts';
import { keepWorst } from './health.ts';
import { createHearsay } from './hearsay.ts';
import { createNews } from './news.ts';
import { createTally, type Mirror } from './summary.ts';

/** What a round finds out, beside the health of consumers. */
export type Findings = ReturnType<typeof createFindings>;

/** The findings of a round before its first call. */
export function createFindings({
  ownIp,
  former,
  at,
  random,
  ...known
}: {
  readonly former: Pick<PartState, 'worst'>;
  readonly ownIp: Ip | undefined;
  readonly secret: string;
  readonly consumers: number;
  /** When the round began. */
  readonly at: number;
  readonly random: Host['random'];
}) {
  const discoveries: Discovery[] = [];
  return {
    tally: createTally(),
    hearsay: createHearsay({ ...known, random }),
    mirror: createMirrorCount(ownIp),
    introductions: createIntroductions(at, random),
    news: createNews(),
    worst: createPassWorst(former.worst, at),
    discoveries,
  };
}

const NETWORK_BITS = { 4: 24, 6: 48 } as const;
/** Further networks are not heard: these are enough to tell, and memory is bounded. */
const MOST_VOICES = 1_000;
const MOST_OTHERS = 3;

/** Counts what peers say about us: one voice for each network, so that nobody speaks with many. */
function createMirrorCount(ownIp: Ip | undefined) {
  const voices = new Set<string>();
  const seen = new Map<Ip, number>();
  let reached = 0;
  let unreached = 0;
  return {
    add(peer: Ip, you: SyncReply['you']): void {
      if (you === undefined || (you.ip === undefined && you.answers === undefined)) return;
      const voice = networkOf(peer, NETWORK_BITS);
      if (voices.has(voice) || voices.size >= MOST_VOICES) return;
      voices.add(voice);
      if (you.ip !== undefined) seen.set(you.ip, (seen.get(you.ip) ?? 0) + 1);
      if (you.answers === true) reached += 1;
      if (you.answers === false) unreached += 1;
    },
    /** Undefined if nobody said anything. */
    result(): Mirror | undefined {
      if (voices.size === 0) return undefined;
      const others = [...seen].filter(([ip]) => ip !== ownIp).sort(([, a], [, b]) => b - a);
      const own = [...seen].filter(([ip]) => ip === ownIp);
      return { seen: Object.fromEntries([...own, ...others.slice(0, MOST_OTHERS)]), reached, unreached };
    },
  };
}

/** Keeps the worst consumers of a pass: those that this round comes across, and those that only earlier rounds did. */
function createPassWorst(former: PartState['worst'], at: number) {
  const worst = keepWorst<WorstConsumer>();
  const notMet = new Map(former.map((each) => [each[0], each]));
  return {
    add(field: string, rank: number): void {
      notMet.delete(field);
      worst.add([field, rank, at], rank);
    },
    /** The worst first, without those that were last come across before `ms`. */
    since(ms: number): readonly WorstConsumer[] {
      for (const each of notMet.values()) if (each[2] >= ms) worst.add(each, each[1]);
      return worst.items();
    },
  };
}

/** One of those that an API may tell its callers of. */
interface Introduction {
  readonly uuid: Uuid;
  readonly ip: string;
}

const NEWS_MS = 3_600_000;

/**
 * Draws whom the consumer API may tell of: as many as a caller reads that are alive by our own probes, those that are new or
 * have changed within an hour before the others, so that news spreads fast. Never candidates, never hearsay.
 */
function createIntroductions(sinceMs: number, random: Host['random']) {
  const news = createSample(random);
  const others = createSample(random);
  return {
    add({ uuid, raw }: Pick<PeerRecord, 'uuid' | 'raw'>, health: HealthRecord | undefined): void {
      if (health?.state !== 'alive') return;
      const isNews = health.since > sinceMs - NEWS_MS;
      (isNews ? news : others).add({ uuid, ip: raw });
    },
    /** Whether there are as many as may be told. */
    get full() {
      return news.items.length + others.items.length >= MAX_HEARD;
    },
    result: () => [...news.items, ...others.items].slice(0, MAX_HEARD),
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
      const place = items.length < MAX_HEARD ? items.length : Math.floor(random() * offered);
      if (place < MAX_HEARD) items[place] = item;
    },
  };
}
