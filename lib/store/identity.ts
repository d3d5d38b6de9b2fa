import { IdentityError } from '../errors.ts';
import type { Host } from '../host.ts';
import { parseUuid, type Uuid } from '../peers/uuid.ts';
import { createRedisClock, type RedisClock } from '../redis/clock.ts';
import type { Command, Redis } from '../redis/redis.ts';
import type { Keys } from './keys.ts';
import { type Answered, isWrongType, orThrow } from './replies.ts';

/** Whose a Redis is, by its key `uuid`. */
export type Identity = 'ours' | 'absent' | 'other' | 'unreadable';

/** Reads what GET of the key `uuid` answered. @throws RedisReplyError but for a wrong type. */
export function identityOf(reply: Answered, localUuid: Uuid): Identity {
  if (isWrongType(reply)) return 'unreadable';
  if (reply === null) return 'absent';
  const stored = parseUuid(reply);
  if (stored === undefined) return 'unreadable';
  return stored === localUuid ? 'ours' : 'other';
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
  const [time, identity] = await redis.send([['TIME'], ['GET', keys.uuid]], { repeatable: true, signal });
  read(time);
  await verifyIdentity(identity, check);
  return clock;
}

/**
 * Makes sure that this Redis is this consumer's, before anything is written. `reply` is what GET of the key `uuid` answered.
 * In a Redis without an identity `LOCAL_UUID` becomes it, unless another program was faster.
 *
 * @throws IdentityError if the identity is another one, or unreadable.
 */
export async function verifyIdentity(
  reply: Answered,
  { redis, keys, localUuid, signal }: IdentityCheck,
): Promise<void> {
  const found = identityOf(reply, localUuid);
  if (found !== 'absent') return refuseOthers(found, keys.uuid, localUuid);
  const commands: Command[] = [
    ['SET', keys.uuid, localUuid, 'NX'],
    ['GET', keys.uuid],
  ];
  const [claimed, stored] = await redis.send(commands, { repeatable: true, signal });
  orThrow(claimed);
  const made = identityOf(stored, localUuid);
  refuseOthers(made === 'absent' ? 'unreadable' : made, keys.uuid, localUuid);
}

/** @throws IdentityError for a Redis whose key `uuid` is another consumer's, an earlier `LOCAL_UUID`, or no UUID. */
export function refuseOthers(identity: Identity, key: string, localUuid: Uuid): void {
  if (identity === 'other') {
    throw new IdentityError(
      `This Redis belongs to another consumer: the key ${key} differs from LOCAL_UUID (${localUuid}). Look at it with ` +
        `GET ${key}, then give LOCAL_UUID the UUID that your consumer API uses, or point REDIS_URL (or REDIS_PREFIX) ` +
        "at this consumer's own database. Nothing was changed. If this is the right database and the scheduler first ran on " +
        `it with a wrong LOCAL_UUID, delete that one key: DEL ${key}. The next run puts LOCAL_UUID there.`,
    );
  }
  if (identity === 'unreadable') {
    throw new IdentityError(
      `The key ${key} in Redis does not hold a UUID. It must be a string, the UUID of the consumer that this database ` +
        `belongs to. Look at it with TYPE ${key}; if nothing else uses the key, delete it: DEL ${key}. Nothing was changed.`,
    );
  }
}
