import { IdentityError, RedisReplyError } from '../../lib/errors.ts';
import { parseUuid, type Uuid } from '../../lib/peers/uuid.ts';
import type { Reply } from '../../lib/redis/redis.ts';

/** Whose a Redis is, by its key `uuid`. */
export type Identity = 'ours' | 'absent' | 'other' | 'unreadable';

/** Reads the identity without claiming it, unlike `verifyIdentity`. @throws RedisReplyError but for a wrong type. */
export function identityOf(reply: Reply | RedisReplyError | undefined, localUuid: Uuid): Identity {
  if (reply instanceof RedisReplyError) {
    if (reply.code !== 'WRONGTYPE') throw reply;
    return 'unreadable';
  }
  if (reply === null || reply === undefined) return 'absent';
  const stored = parseUuid(reply);
  if (stored === undefined) return 'unreadable';
  return stored === localUuid ? 'ours' : 'other';
}

/** @throws IdentityError unless the Redis is ours, or nobody's yet: then nothing of it is shown. */
export function requireNotForeign(identity: Identity, key: string, localUuid: Uuid): void {
  if (identity === 'other') {
    throw new IdentityError(
      `This Redis belongs to another consumer: the key ${key} differs from LOCAL_UUID (${localUuid}). Give LOCAL_UUID ` +
        'the UUID that your consumer API uses, or point REDIS_URL (or REDIS_PREFIX) at its own database.',
    );
  }
  if (identity === 'unreadable') {
    throw new IdentityError(
      `The key ${key} in Redis does not hold a UUID. Look at it with TYPE ${key}; if nothing else uses it, delete it.`,
    );
  }
}
