import type { Host } from '../host.ts';
import type { RedisClock } from '../redis/clock.ts';
import { renewCall, sendLeaseCall } from '../redis/lease.ts';
import type { Redis, Reply, ScriptCall } from '../redis/redis.ts';

export const LEASE_MS = 30_000;
const RENEW_EVERY_MS = 10_000;
const RETRY_MS = 1_000;

/**
 * The lease of a running round, with what we know about it. It is *sure* for 30 s from before the last renewal was sent,
 * under one and the same reading of the clock. Renewals whose reply does not come leave it as sure as it was: whether
 * they ran or not, it lasts that long. What is not sure starts no request.
 */
export interface Hold {
  readonly token: string;
  sure(): boolean;
  /** Renews it if it is not sure, and answers whether it is now. Never throws. */
  ensure(): Promise<boolean>;
  /** Whether another token was found there, or none: then nothing may be written any more. */
  readonly lost: boolean;
  /**
   * Sends a script that writes only under the lease and prolongs it, and answers its reply. `held` reads from that
   * whether it found our token.
   *
   * @throws RedisUnavailableError, RedisReplyError
   */
  send(call: ScriptCall, held: (reply: Reply) => boolean, options?: { repeatable: boolean }): Promise<Reply>;
  /** Ends the renewing in the background. Does not release the lease. */
  end(): Promise<void>;
}

/** Keeps the lease `key`, which `token` took with a request sent at `takenMs` (monotonic), until it is ended. */
export function keepLease(
  { redis, host, clock }: { redis: Redis; host: Host; clock: RedisClock },
  { key, token, takenMs }: { key: string; token: string; takenMs: number },
): Hold {
  const ended = new AbortController();
  let renewedMs = takenMs;
  let reading = clock.readings;
  let lost = false;
  let renewing: Promise<boolean> | undefined;

  const sure = () =>
    !lost && host.monotonicMs() < renewedMs + LEASE_MS && clock.readings === reading && !clock.isStale();

  const under = async <Result>(send: () => Promise<Result>, held: (result: Result) => boolean) => {
    await clock.refresh(redis);
    const sentMs = host.monotonicMs();
    const readingThen = clock.readings;
    const result = await send();
    if (held(result)) {
      renewedMs = Math.max(renewedMs, sentMs);
      reading = Math.max(reading, readingThen);
    } else {
      lost = true;
    }
    return result;
  };

  const renew = () => {
    renewing ??= under(
      () => sendLeaseCall(redis, renewCall(key, token, LEASE_MS), ended.signal),
      (held) => held,
    )
      .catch(() => false)
      .finally(() => {
        renewing = undefined;
      });
    return renewing;
  };

  const renewInTime = async () => {
    while (!ended.signal.aborted && !lost) {
      const inMs = renewedMs + RENEW_EVERY_MS - host.monotonicMs();
      if (inMs > 0) await host.sleep(inMs, ended.signal);
      else if (!(await renew())) await host.sleep(RETRY_MS, ended.signal);
    }
  };
  const background = renewInTime();

  return {
    token,
    sure,
    async ensure() {
      if (!sure() && !lost) await renew();
      return sure();
    },
    get lost() {
      return lost;
    },
    async send(call, held, { repeatable } = { repeatable: true }) {
      return under(async () => {
        const [reply] = await redis.send([call], { repeatable });
        if (reply instanceof Error) throw reply;
        return reply ?? null;
      }, held);
    },
    async end() {
      ended.abort();
      await background;
    },
  };
}
