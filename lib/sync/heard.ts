import type { Address } from '../peers/address.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { ScriptCall } from '../redis/redis.ts';
import { encodeCandidate } from './candidate.ts';
import { LEARN } from './learn.lua.ts';

/** One thing that a peer told us: that `uuid` is to be found at `address`. */
export interface Hearsay {
  readonly uuid: Uuid;
  readonly address: Address;
  /** The address as it will be stored, see `Heard.raw`. */
  readonly raw: string;
  /** Who told: the consumer whose probe it came with. */
  readonly from: Uuid;
}

/** What was heard and not yet handed to Redis. Its size is bounded, whatever peers tell. */
export interface HeardBuffer {
  add(hearsay: Hearsay): void;
  readonly size: number;
  /** Empties it. */
  take(): Hearsay[];
}

const MOST_HEARD = 1_000;
/** With fewer than this the script waits for the next page, or the end of the round. */
export const ENOUGH_HEARD = 500;

/**
 * Keeps the first hearsay about a uuid. When it is full, each further uuid takes the place of a random one with the
 * probability that keeps the sample fair (reservoir sampling), so that no order of telling shuts a newcomer out.
 */
export function createHeardBuffer(random: () => number): HeardBuffer {
  let kept: Hearsay[] = [];
  let uuids = new Set<Uuid>();
  let offered = 0;
  return {
    add(hearsay) {
      if (uuids.has(hearsay.uuid)) return;
      offered += 1;
      if (kept.length < MOST_HEARD) {
        kept.push(hearsay);
      } else {
        const place = Math.floor(random() * offered);
        const replaced = kept[place];
        if (replaced === undefined) return;
        uuids.delete(replaced.uuid);
        kept[place] = hearsay;
      }
      uuids.add(hearsay.uuid);
    },
    get size() {
      return kept.length;
    },
    take() {
      const taken = kept;
      kept = [];
      uuids = new Set();
      offered = 0;
      return taken;
    },
  };
}

/** The script call that turns hearsay into candidates, within their bounds. */
export function learnCall(
  hearsay: readonly Hearsay[],
  keys: { readonly consumers: string; readonly health: string; readonly candidates: string },
  nowMs: number,
): ScriptCall {
  return {
    script: LEARN,
    keys: [keys.consumers, keys.health, keys.candidates],
    args: hearsay.flatMap(({ uuid, address, raw, from }) => [
      uuid,
      raw,
      address.key,
      from,
      encodeCandidate({ address: raw, from, at: nowMs, failures: 0 }),
    ]),
  };
}
