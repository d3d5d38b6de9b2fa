import { randomUUID } from 'node:crypto';
import { RedisReplyError } from '../errors.ts';
import type { Redis, ScriptCall } from '../redis/redis.ts';
import { defineScript } from '../redis/script.ts';
import { LUA_STORE } from './lua.ts';

/** KEYS: the lease. ARGV: token, ttl in ms. Answers 1 if the token holds it now. */
const ACQUIRE = defineScript(
  'lease-acquire',
  `${LUA_STORE}
return checked(function()
  local holder = lease_holder(KEYS[1], ARGV[1], tonumber(ARGV[2]))
  if holder and holder ~= ARGV[1] then return 0 end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end)`,
);

/** KEYS: the lease. ARGV: token, ttl in ms. Answers 1 if the token held it. */
const RENEW = defineScript(
  'lease-renew',
  `${LUA_STORE}
return checked(function()
  return text_of(KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0
end)`,
);

/** KEYS: the lease. ARGV: token. Answers 1 if the token held it. */
const RELEASE = defineScript(
  'lease-release',
  `${LUA_STORE}
return checked(function()
  return text_of(KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0
end)`,
);

/** A token that nobody else has. One for each attempt to get a lease, never one for several. */
export function newLeaseToken(): string {
  return randomUUID();
}

/**
 * Takes the lease unless another token has it for `ttlMs` at most. Answers 1 or 0. May be repeated: with the same token it is a renewal, so
 * a first attempt whose reply was lost is not taken for a stranger's. The holder's time counts from before the sending.
 */
export function acquireCall(key: string, token: string, ttlMs: number): ScriptCall {
  return { script: ACQUIRE, keys: [key], args: [token, ttlMs] };
}

/** Prolongs the lease to `ttlMs` from now if the token holds it. Answers 1 or 0. May be repeated. */
export function renewCall(key: string, token: string, ttlMs: number): ScriptCall {
  return { script: RENEW, keys: [key], args: [token, ttlMs] };
}

/** Gives the lease up if the token holds it. Answers 1 or 0, and 0 when it is repeated. */
export function releaseCall(key: string, token: string): ScriptCall {
  return { script: RELEASE, keys: [key], args: [token] };
}

/** Sends one of the calls above by itself, and answers whether the token holds (held) the lease. */
export async function sendLeaseCall(redis: Redis, call: ScriptCall, signal?: AbortSignal): Promise<boolean> {
  const [reply] = await redis.send([call], { repeatable: true, ...(signal ? { signal } : {}) });
  if (reply instanceof RedisReplyError) throw reply;
  return reply === 1;
}
