import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from '../lib/redis/redis.ts';
import { createKeys } from '../lib/store/keys.ts';
import { changesBetween } from './changes.ts';
import type { RedisEvent } from './events.ts';
import { readEnds, readSnapshot, type Snapshot } from './snapshot.ts';

export interface Watcher {
  /** Looks again soon; several calls within the pause are one look. Resolves after a look that began later. */
  poke(): Promise<void>;
  stop(): Promise<void>;
}

export interface WatcherOptions {
  readonly redis: Redis;
  readonly prefix: string;
  readonly onEvent: (event: RedisEvent) => void;
  /** Called after each look, when all that it saw was told. */
  readonly onLooked: () => void;
  /** Pause before each look. */
  readonly pauseMs: number;
  /** Look again without being poked. Each look is 5 to 10 Redis commands, so not on a database billed by command. */
  readonly always: boolean;
}

/**
 * Tells what changes in Redis from now on. What happened while it did not answer is told by the first look after that.
 *
 * @throws RedisUnavailableError if it does not answer now.
 */
export async function startWatcher(options: WatcherOptions): Promise<Watcher> {
  const { redis, onEvent, onLooked, pauseMs, always } = options;
  const keys = createKeys(options.prefix);
  const ending = new AbortController();
  let poked = Promise.withResolvers<void>();
  let looked = Promise.withResolvers<void>();
  let ends = await readEnds(redis, keys, ending.signal);
  let seen: Snapshot | undefined;
  let lost = false;

  const look = async () => {
    const snapshot = await readSnapshot(redis, keys, ends, ending.signal);
    for (const event of changesBetween(seen, snapshot)) onEvent(event);
    seen = snapshot;
    ends = {
      rounds: snapshot.rounds.at(-1)?.id ?? ends.rounds,
      history: snapshot.history.at(-1)?.id ?? ends.history,
    };
  };
  const run = async () => {
    while (!ending.signal.aborted) {
      const waiting = looked;
      looked = Promise.withResolvers();
      try {
        await look();
        if (lost) onEvent({ kind: 'redis-back' });
        lost = false;
      } catch {
        if (!lost && !ending.signal.aborted) onEvent({ kind: 'redis-lost' });
        lost = true;
      }
      onLooked();
      waiting.resolve();
      if (!always) await poked.promise;
      poked = Promise.withResolvers();
      await delay(pauseMs, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  };
  const running = run();

  return {
    poke() {
      poked.resolve();
      return looked.promise;
    },
    async stop() {
      ending.abort();
      poked.resolve();
      await running;
      looked.resolve();
    },
  };
}
