import { startContestant } from './contestant.ts';
import { type Peers, startPeers } from './peers.ts';
import { type BenchRedis, startBenchRedis } from './redis.ts';

/** Where a row gets what it measures with. All of it ends with the row, whatever happens. */
export interface Lab {
  peers(): Promise<Peers>;
  redis(): Promise<BenchRedis>;
  /** As `startContestant`. */
  contestant: typeof startContestant;
  /** Ends something else with the row, in reverse order of registering. */
  defer(end: () => Promise<unknown>): void;
  /** Says what is going on, on stderr. */
  say(text: string): void;
  end(): Promise<void>;
}

export function createLab(say: (text: string) => void): Lab {
  const ends: (() => Promise<unknown>)[] = [];
  let ended = false;
  const keep = async <Thing extends { end(): Promise<unknown> }>(start: Promise<Thing>): Promise<Thing> => {
    const thing = await start;
    // The row was given up while this was starting.
    if (ended) {
      await thing.end();
      throw new Error('the row has ended');
    }
    ends.push(() => thing.end());
    return thing;
  };
  return {
    peers: () => keep(startPeers()),
    redis: () => keep(startBenchRedis()),
    contestant: (module, params, options) => keep(startContestant(module, params, options)),
    defer(end) {
      if (ended) void end();
      else ends.push(end);
    },
    say,
    async end() {
      ended = true;
      for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end();
    },
  };
}
