import type { Config } from '../lib/config.ts';
import { ConfigError, RedisReplyError, RedisUnavailableError } from '../lib/errors.ts';
import { createRedis } from '../lib/redis/client.ts';
import type { Redis } from '../lib/redis/redis.ts';
import { createKeys } from '../lib/store/keys.ts';
import { StartError } from './lifecycle.ts';

/**
 * Opens the user's Redis, and makes sure that it answers, that its login is accepted and that it is this consumer's.
 *
 * @throws StartError that says which of these failed.
 */
export async function openOwnRedis(
  { redis: access, localUuid }: Config,
  signal: AbortSignal,
): Promise<Redis> {
  const key = createKeys(access.prefix).uuid;
  let redis: Redis | undefined;
  try {
    redis = createRedis(access);
    const [uuid] = await redis.send([['GET', key]], { repeatable: true, signal, timeoutMs: 5_000 });
    if (uuid instanceof RedisReplyError) throw new StartError(`Redis refused GET ${key}: ${uuid.message}`);
    if (uuid === null || String(uuid).toLowerCase() === localUuid) return redis;
    throw new StartError(
      [
        `The Redis database belongs to another consumer: "${key}" holds`,
        `  ${uuid}, and LOCAL_UUID is`,
        `  ${localUuid}.`,
        'Use the UUID of the consumer API that shares this database, or another database or REDIS_PREFIX.',
      ].join('\n'),
    );
  } catch (error) {
    await redis?.close();
    throw explain(error);
  }
}

function explain(error: unknown): unknown {
  if (error instanceof RedisUnavailableError) {
    return new StartError(`Redis cannot be used: ${error.message}`);
  }
  return error instanceof ConfigError ? new StartError(error.message) : error;
}
