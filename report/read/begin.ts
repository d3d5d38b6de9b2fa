import type { AppParts } from '../../lib/app.ts';
import { parseRegister, type Register } from '../../lib/ip/register.ts';
import { type AddressPolicy, withoutSelf } from '../../lib/peers/address.ts';
import { createRedisClock } from '../../lib/redis/clock.ts';
import type { Command } from '../../lib/redis/redis.ts';
import { type Identity, identityOf, refuseOthers } from '../../lib/store/identity.ts';
import { type Answered, orThrow, withKey } from '../../lib/store/replies.ts';

/** What every reading command begins with. */
export interface Beginning {
  /** Redis's time, ms. */
  readonly nowMs: number;
  readonly identity: Identity;
  readonly register: Register;
  /** Names of the register's fields that cannot be used. */
  readonly poisoned: readonly string[];
  /** What the further commands came to, in their order. */
  readonly rest: readonly Answered[];
}

/**
 * Reads the time, the identity, the register and whatever `more` asks for, in one trip. It writes nothing.
 *
 * @throws IdentityError for another consumer's Redis, RedisUnavailableError; RedisReplyError where the register cannot be
 * read.
 */
export async function begin(
  { redis, keys, config, host }: Pick<AppParts, 'redis' | 'keys' | 'config' | 'host'>,
  more: readonly Command[] = [],
): Promise<Beginning> {
  const clock = createRedisClock(host);
  const read = clock.startReading();
  const commands: Command[] = [['TIME'], ['GET', keys.uuid], ['HGETALL', keys.ip], ...more];
  const replies = await redis.send(commands, { repeatable: true });
  const [time, uuid, register, ...rest] = replies.map((reply, i) => withKey(reply, commands[i]));
  read(time);
  const identity = identityOf(uuid, config.localUuid);
  refuseOthers(identity, keys.uuid, config.localUuid);
  return { nowMs: clock.nowMs(), identity, ...parseRegister(orThrow(register)), rest };
}

/** The rules for peers once our own addresses are known: nobody is called there. */
export function policyFor(
  { policy, config }: Pick<AppParts, 'policy' | 'config'>,
  { current }: Register,
): AddressPolicy {
  return withoutSelf(policy, { ip: current, port: config.peers.port });
}
