import { RedisReplyError } from '../errors.ts';
import type { Uuid } from '../peers/uuid.ts';
import type { RedisClock } from '../redis/clock.ts';
import type { Redis } from '../redis/redis.ts';
import { verifyIdentity } from '../store/identity.ts';
import type { Keys } from '../store/keys.ts';
import { TAKE_TICKET } from './record.lua.ts';
import { parseRegister, type Register } from './register.ts';

/** A check that has begun. */
export interface Ticket {
  /** As it was when the ticket was taken; `register.ticket` is the ticket. */
  readonly register: Register;
  /** Names of the register's fields that could not be used. */
  readonly poisoned: readonly string[];
}

/**
 * Trip 1 of a check: Redis's time (`clock` is set by it), whose Redis it is, a new ticket and the register.
 *
 * @throws IdentityError if the Redis belongs to another consumer: nothing was written.
 * @throws RedisUnavailableError if no answer arrived. A ticket may have been taken; tickets may be missing from the order.
 * @throws RedisReplyError if a key holds the wrong type: nothing was written.
 */
export async function takeTicket({
  redis,
  keys,
  localUuid,
  clock,
  signal,
}: {
  redis: Redis;
  keys: Keys;
  localUuid: Uuid;
  clock: RedisClock;
  signal: AbortSignal;
}): Promise<Ticket> {
  const read = clock.startReading();
  const [time, reply] = await redis.send(
    [['TIME'], { script: TAKE_TICKET, keys: [keys.uuid, keys.ip], args: [localUuid] }],
    { repeatable: true, signal },
  );
  if (reply instanceof RedisReplyError) throw reply;
  read(time);

  const [uuid, fields] = Array.isArray(reply) ? reply : [];
  await verifyIdentity(uuid === '' && fields !== undefined ? null : uuid, { redis, keys, localUuid, signal });
  return parseRegister(fields);
}
