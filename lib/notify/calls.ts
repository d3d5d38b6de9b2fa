import type { Host } from '../host.ts';
import { withoutSelf } from '../peers/address.ts';
import type { Ip } from '../peers/ip-space.ts';
import { type AttemptParts, attempt } from './attempt.ts';
import type { Claimed, Result } from './delivery.ts';

/** A delivery that waits to be settled. */
export interface Finished {
  readonly delivery: Claimed;
  readonly result: Result;
  /** When it came to its end, by the monotonic clock. */
  readonly endedMonotonicMs: number;
}

/** The requests of a drain that are in flight. */
export interface Calls {
  readonly inFlight: number;
  /** Tells one producer `ip`. It is not called at an address of ours, be it this one or `previous`. */
  start(delivery: Claimed, ip: Ip, previous: Ip | undefined): void;
  /** Breaks off what is in flight: it ends as ambiguous. */
  breakOff(): void;
  /** Ends the present or next `nextEvent`. */
  wake(): void;
  /** Resolves when a request has ended since the last time, or `wake` was called, or after `withinMs`. */
  nextEvent(withinMs: number | undefined): Promise<void>;
}

/** `onEnd` gets what has ended; `onCrash` an error that is ours, and the delivery then stays under its lease. */
export function createCalls(
  parts: Omit<AttemptParts, 'signal'> & {
    /** Where this consumer's own API listens. */
    readonly ownPort: number;
    readonly host: Pick<Host, 'monotonicMs' | 'sleep'>;
  },
  { onEnd, onCrash }: { onEnd: (finished: Finished) => void; onCrash: (error: unknown) => void },
): Calls {
  const { host } = parts;
  const broken = new AbortController();
  let inFlight = 0;
  let event = Promise.withResolvers<void>();

  return {
    get inFlight() {
      return inFlight;
    },
    start(delivery, ip, previous) {
      const policy = withoutSelf(parts.policy, { ips: [ip, previous], port: parts.ownPort });
      inFlight += 1;
      attempt(delivery, ip, { ...parts, policy, signal: broken.signal })
        .then((result) => onEnd({ delivery, result, endedMonotonicMs: host.monotonicMs() }), onCrash)
        .finally(() => {
          inFlight -= 1;
          event.resolve();
        });
    },
    breakOff: () => broken.abort(),
    wake: () => event.resolve(),
    async nextEvent(withinMs) {
      const timer = new AbortController();
      const timeout = withinMs === undefined ? [] : [host.sleep(withinMs, timer.signal)];
      await Promise.race([event.promise, ...timeout]);
      timer.abort();
      event = Promise.withResolvers<void>();
    },
  };
}
