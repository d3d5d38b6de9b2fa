import type { Ip } from '../peers/ip-space.ts';
import { networkOf } from '../peers/network.ts';
import type { SyncReply } from '../peers/reply.ts';
import type { Mirror } from './summary.ts';

/** Counts what peers say about us: one voice for each network, so that nobody speaks with many. */
export interface MirrorCount {
  add(peer: Ip, you: SyncReply['you']): void;
  /** Undefined if nobody said anything. */
  result(): Mirror | undefined;
}

const NETWORK_BITS = { 4: 24, 6: 48 } as const;
/** Further networks are not heard: these are enough to tell, and memory is bounded. */
const MOST_VOICES = 1_000;
const MOST_OTHERS = 3;

export function createMirrorCount(ownIp: Ip | undefined): MirrorCount {
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
