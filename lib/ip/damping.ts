import type { Ip } from '../peers/ip-space.ts';
import { MAX_AHEAD_MS } from '../redis/clock.ts';
import type { Register } from './register.ts';

/** An address that was current within so long is a former one: its return is quick. */
const QUICK_RETURN_MS = 24 * 3_600_000;
/** So many quick returns are free, */
const FREE_RETURNS = 4;
/** and one more after each of these periods. */
const RETURN_PERIOD_MS = 3_600_000;

/**
 * What damping says about a change to an address.
 *
 * - `none`: the address is new, or was current too long ago. It never waits.
 * - `taken`: a quick return that the budget allows. `returns` and `returnsAt` are what the register keeps if it is
 *   committed.
 * - `waits`: a quick return that waits until `untilMs`, an hour at most.
 */
export type Return =
  | { readonly kind: 'none' }
  | { readonly kind: 'taken'; readonly returns: number; readonly returnsAt: number }
  | { readonly kind: 'waits'; readonly untilMs: number };

/**
 * Damps an address that goes to and fro: a host with two uplinks, or two hosts that use one Redis, made up to 139
 * changes a day. Of quick returns four are free, and one more each hour. That bounds such a host to 28 changes in the
 * first day and 24 in each further one, and delays nothing else. Pure. `nowMs` is Redis's time.
 *
 * Where Redis's clock was set back, `returnsAt` lies ahead: then all returns are free again, or they would wait until
 * the clock has caught up.
 */
export function quickReturn(
  { recent, returns, returnsAt }: Pick<Register, 'recent' | 'returns' | 'returnsAt'>,
  ip: Ip,
  nowMs: number,
): Return {
  const former = recent.find((address) => address.ip === ip);
  if (former === undefined || Math.abs(nowMs - former.until) > QUICK_RETURN_MS) return { kind: 'none' };

  const readable = returnsAt !== undefined && returnsAt <= nowMs + MAX_AHEAD_MS;
  const used = readable ? Math.min(returns, FREE_RETURNS) : 0;
  const since = readable ? returnsAt : nowMs;
  const periods = Math.max(0, Math.floor((nowMs - since) / RETURN_PERIOD_MS));
  const left = Math.max(0, used - periods);
  if (left === 0) return { kind: 'taken', returns: 1, returnsAt: nowMs };
  const grantedAt = since + periods * RETURN_PERIOD_MS;
  return left < FREE_RETURNS
    ? { kind: 'taken', returns: left + 1, returnsAt: grantedAt }
    : { kind: 'waits', untilMs: grantedAt + RETURN_PERIOD_MS };
}
