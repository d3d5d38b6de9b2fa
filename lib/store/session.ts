import type { Host } from '../host.ts';
import type { Uuid } from '../peers/uuid.ts';
import { createRedisClock, type RedisClock } from '../redis/clock.ts';
import type { Redis, Reply, ScriptCall } from '../redis/redis.ts';
import type { Keys } from './keys.ts';
import { type HeldLease, keepLease, renewCall } from './lease.ts';
import { listOf, repliesTo } from './replies.ts';

export interface RoundStoreOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly localUuid: Uuid;
  readonly host: Host;
  /** Ends the reading of what a round starts from. What is written goes on, to hand back what was begun. */
  readonly signal: AbortSignal;
}

/** What the parts of one round's store share: the way to Redis, its clock, and the lease once it is taken. */
export interface Session extends RoundStoreOptions {
  readonly clock: RedisClock;
  readonly commands: number;
  /** Takes note of a lease that the round has just taken. */
  holdLease(lease: { readonly key: string; readonly token: string; readonly takenMs: number }): HeldLease;
  /**
   * Runs a script under the lease, which it gets as its first key, and our token as its first argument. Undefined if the
   * lease is not ours.
   */
  write(call: ScriptCall, options?: { repeatable: boolean }): Promise<readonly Reply[] | undefined>;
  /** Fields of `sync:cursor` as the round found them; emptied once those of another split were dropped. */
  cursorFields: readonly string[];
  close(): Promise<void>;
}

export function createSession(options: RoundStoreOptions): Session {
  const { host } = options;
  const clock = createRedisClock(host);
  let commands = 0;
  const redis: Redis = {
    send(requests, sendOptions) {
      commands += requests.length;
      return options.redis.send(requests, sendOptions);
    },
    close: () => options.redis.close(),
  };
  let held: { readonly lease: HeldLease; readonly key: string; readonly token: string } | undefined;

  return {
    ...options,
    redis,
    clock,
    get commands() {
      return commands;
    },
    holdLease({ key, token, takenMs }) {
      const lease = keepLease({
        host,
        clock,
        refresh: () => clock.refresh(redis),
        async renew(signal) {
          const [reply] = await repliesTo(redis, [renewCall(key, token)], { signal });
          return reply === 1;
        },
        takenMs,
      });
      held = { lease, key, token };
      return lease;
    },
    async write({ script, keys, args }, { repeatable } = { repeatable: true }) {
      if (held === undefined) throw new Error('No round is open.');
      const { lease, key, token } = held;
      const call = { script, keys: [key, ...keys], args: [token, ...args] };
      const reply = await lease.run(
        async () => {
          const [answered] = await repliesTo(redis, [call], { repeatable });
          return listOf(answered);
        },
        ([ours]) => ours === 1,
      );
      return reply[0] === 1 ? reply : undefined;
    },
    cursorFields: [],
    close: async () => held?.lease.end(),
  };
}
