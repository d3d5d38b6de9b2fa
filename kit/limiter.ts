import { type Ip, networkOf } from '../lib/peers/ip-space.ts';

/** Says whether one more is allowed for this key, and counts it if so. */
export type Limiter = (key: string) => boolean;

/**
 * Allows `each` for one key and `all` for all keys together in every window of `windowMs`. Its memory is bounded: it keeps
 * at most `all` keys, and forgets them with the window.
 */
export function createLimiter(
  { each, all, windowMs }: { readonly each: number; readonly all: number; readonly windowMs: number },
  nowMs: () => number = () => performance.now(),
): Limiter {
  const counts = new Map<string, number>();
  let total = 0;
  let since = nowMs();
  return (key) => {
    if (nowMs() - since >= windowMs) {
      counts.clear();
      total = 0;
      since = nowMs();
    }
    const count = counts.get(key) ?? 0;
    if (count >= each || total >= all) return false;
    counts.set(key, count + 1);
    total += 1;
    return true;
  };
}

/** What one line at home or one customer of a provider has: an IPv4 address, or a /64 of IPv6. */
export function lineOf(ip: Ip): string {
  return networkOf(ip, { 4: 32, 6: 64 });
}
