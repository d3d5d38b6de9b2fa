import type { Config } from '../lib/config.ts';
import { IdentityError, RedisReplyError, RedisUnavailableError } from '../lib/errors.ts';
import { createRedis } from '../lib/redis/client.ts';
import type { Redis } from '../lib/redis/redis.ts';
import { identityOf, refuseOthers } from '../lib/store/identity.ts';
import { createKeys } from '../lib/store/keys.ts';
import { StartError } from './lifecycle.ts';

/**
 * Opens the user's Redis, and makes sure that it answers, that its login is accepted and that it is this consumer's.
 *
 * @throws StartError that says which of these failed, ConfigError for a URL or token that cannot be used.
 */
export async function openOwnRedis(
  { redis: access, localUuid }: Config,
  signal: AbortSignal,
): Promise<Redis> {
  const key = createKeys(access.prefix).uuid;
  const redis = createRedis(access);
  try {
    const [uuid] = await redis.send([['GET', key]], { repeatable: true, signal, timeoutMs: 5_000 });
    refuseOthers(identityOf(uuid ?? null, localUuid), key, localUuid);
    return redis;
  } catch (error) {
    await redis.close();
    throw explain(error);
  }
}

function explain(error: unknown): unknown {
  if (error instanceof RedisUnavailableError) return new StartError(`Redis cannot be used: ${error.message}`);
  if (error instanceof RedisReplyError) return new StartError(`Redis refused a command: ${error.message}`);
  return error instanceof IdentityError ? new StartError(error.message) : error;
}
