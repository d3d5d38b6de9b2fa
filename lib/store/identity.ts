import { IdentityError, RedisReplyError } from '../errors.ts';
import type { Host } from '../host.ts';
import { parseUuid, type Uuid } from '../peers/uuid.ts';
import { createRedisClock, type RedisClock } from '../redis/clock.ts';
import type { Command, Redis, Reply } from '../redis/redis.ts';
import type { Keys } from './keys.ts';

/** The command that every job puts into its first pipeline, for `verifyIdentity`. */
export function identityCommand(keys: Keys): Command {
  return ['GET', keys.uuid];
}

export interface IdentityCheck {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly localUuid: Uuid;
  readonly signal?: AbortSignal;
}

/**
 * Begins a run: reads Redis's time, and makes sure whose Redis it is.
 *
 * @throws IdentityError for another consumer's Redis, RedisUnavailableError and RedisReplyError. Nothing was written.
 */
export async function openClock({
  host,
  ...check
}: IdentityCheck & { readonly host: Pick<Host, 'monotonicMs' | 'wallMs'> }): Promise<RedisClock> {
  const { redis, keys, signal } = check;
  const clock = createRedisClock(host);
  const read = clock.startReading();
  const [time, identity] = await redis.send([['TIME'], identityCommand(keys)], { repeatable: true, signal });
  read(time);
  await verifyIdentity(identity, check);
  return clock;
}

/**
 * Makes sure that this Redis is this consumer's, before anything is written. `reply` is what `identityCommand` came to.
 * In a Redis without an identity `LOCAL_UUID` becomes it, unless another program was faster.
 *
 * @throws IdentityError if the identity is another one, or unreadable.
 */
export async function verifyIdentity(
  reply: Reply | RedisReplyError | undefined,
  { redis, keys, localUuid, signal }: IdentityCheck,
): Promise<void> {
  if (reply !== null) return requireOurs(reply, keys.uuid, localUuid);
  const [claimed, stored] = await redis.send([['SET', keys.uuid, localUuid, 'NX'], identityCommand(keys)], {
    repeatable: true,
    signal,
  });
  if (claimed instanceof RedisReplyError) throw claimed;
  requireOurs(stored, keys.uuid, localUuid);
}

function requireOurs(reply: Reply | RedisReplyError | undefined, key: string, localUuid: Uuid): void {
  if (reply instanceof RedisReplyError && reply.code !== 'WRONGTYPE') throw reply;
  const stored = parseUuid(reply);
  if (stored === localUuid) return;
  throw stored === undefined ? unreadableIdentity(key) : foreignIdentity(key, localUuid);
}

/** The error for a Redis whose key `uuid` is another consumer's, or an earlier `LOCAL_UUID` that was wrong. */
export function foreignIdentity(key: string, localUuid: Uuid): IdentityError {
  return new IdentityError(
    `This Redis belongs to another consumer: the key ${key} differs from LOCAL_UUID (${localUuid}). Look at it with ` +
      `GET ${key}, then give LOCAL_UUID the UUID that your consumer API uses, or point REDIS_URL (or REDIS_PREFIX) ` +
      "at this consumer's own database. Nothing was changed. If this is the right database and the scheduler first ran on " +
      `it with a wrong LOCAL_UUID, delete that one key: DEL ${key}. The next run puts LOCAL_UUID there.`,
  );
}

/** The error for a key `uuid` that holds something else. */
export function unreadableIdentity(key: string): IdentityError {
  return new IdentityError(
    `The key ${key} in Redis does not hold a UUID. It must be a string, the UUID of the consumer that this database ` +
      `belongs to. Look at it with TYPE ${key}; if nothing else uses the key, delete it: DEL ${key}. Nothing was changed.`,
  );
}
