import { RedisReplyError } from '../../lib/errors.ts';
import { parseUuid, type Uuid } from '../../lib/peers/uuid.ts';
import type { Reply } from '../../lib/redis/redis.ts';
import { foreignIdentity, unreadableIdentity } from '../../lib/store/identity.ts';

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
  if (identity === 'other') throw foreignIdentity(key, localUuid);
  if (identity === 'unreadable') throw unreadableIdentity(key);
}
