import type { Host } from '../host.ts';
import type { RedisClock } from '../redis/clock.ts';
import type { ScriptCall } from '../redis/redis.ts';
import { storeScript } from './lua.ts';

/** How long a round's lease lasts after its last renewal. */
export const LEASE_MS = 30_000;
const RENEW_EVERY_MS = 10_000;
const RETRY_MS = 1_000;

/** KEYS: the lease. ARGV: token, ttl in ms. Answers 1 if the token held it. */
const RENEW = storeScript(
  'lease-renew',
  "return text_of(KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0",
);

/** KEYS: the lease. ARGV: token. Answers 1 if the token held it. */
const RELEASE = storeScript(
  'lease-release',
  "return text_of(KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0",
);

/** Prolongs the lease to `LEASE_MS` from now if the token holds it. Answers 1 or 0. May be repeated. */
export function renewCall(key: string, token: string): ScriptCall {
  return { script: RENEW, keys: [key], args: [token, LEASE_MS] };
}

/** Gives the lease up if the token holds it. Answers 1 or 0, and 0 when it is repeated. */
export function releaseCall(key: string, token: string): ScriptCall {
  return { script: RELEASE, keys: [key], args: [token] };
}

/**
 * The lease of a running job, with what we know about it. It counts from before the last renewal was sent, under one and
 * the same reading of the clock. A renewal whose reply does not come changes nothing: the lease lasts as long as before.
 */
export interface HeldLease {
  /** For how long the lease is surely ours, ms. 0 or less: start nothing. */
  leftMs(): number;
  /** Renews it now, and answers how long it is ours. Never throws. */
  renew(): Promise<number>;
  /** Whether another token was found there, or none: then nothing may be written any more. */
  readonly lost: boolean;
  /**
   * Runs something that writes only under the lease and prolongs it. `held` reads from the result whether it found our
   * token. Throws what `send` throws.
   */
  run<Result>(send: () => Promise<Result>, held: (result: Result) => boolean): Promise<Result>;
  /** Ends the renewing in the background. Does not release the lease. */
  end(): Promise<void>;
}

export interface LeaseOptions {
  readonly host: Pick<Host, 'monotonicMs' | 'sleep'>;
  /** The clock under whose reading the lease counts. */
  readonly clock: Pick<RedisClock, 'readings' | 'isStale'>;
  /** Reads the clock again if it is stale. */
  readonly refresh: () => Promise<void>;
  /** Prolongs the lease, and answers whether our token held it. */
  readonly renew: (signal: AbortSignal) => Promise<boolean>;
  /** When the request that took the lease was sent, by the monotonic clock. */
  readonly takenMs: number;
}

/** Keeps a lease that has been taken, renewing it every 10 s in the background, until it is ended. */
export function keepLease({ host, clock, refresh, renew: prolong, takenMs }: LeaseOptions): HeldLease {
  const ended = new AbortController();
  let renewedMs = takenMs;
  let reading = clock.readings;
  let lost = false;
  let renewing: Promise<unknown> | undefined;

  const leftMs = () =>
    lost || clock.readings !== reading || clock.isStale() ? 0 : renewedMs + LEASE_MS - host.monotonicMs();

  const run = async <Result>(send: () => Promise<Result>, held: (result: Result) => boolean) => {
    await refresh();
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

  const renew = async () => {
    if (lost) return 0;
    renewing ??= run(
      () => prolong(ended.signal),
      (held) => held,
    )
      .catch(() => undefined)
      .finally(() => {
        renewing = undefined;
      });
    await renewing;
    return leftMs();
  };

  const renewInTime = async () => {
    while (!ended.signal.aborted && !lost) {
      const inMs = renewedMs + RENEW_EVERY_MS - host.monotonicMs();
      if (inMs > 0) await host.sleep(inMs, ended.signal);
      else if ((await renew()) <= LEASE_MS - RENEW_EVERY_MS) await host.sleep(RETRY_MS, ended.signal);
    }
  };
  const background = renewInTime();

  return {
    leftMs,
    renew,
    run,
    get lost() {
      return lost;
    },
    async end() {
      ended.abort();
      await background;
    },
  };
}
