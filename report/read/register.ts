import type { AppParts } from '../../lib/app.ts';
import { parseRegister, type Register } from '../../lib/ip/register.ts';
import { type AddressPolicy, withoutSelf } from '../../lib/peers/address.ts';
import { createRedisClock } from '../../lib/redis/clock.ts';
import type { Command, Reply } from '../../lib/redis/redis.ts';
import { identityCommand } from '../../lib/store/identity.ts';
import { type Answered, fieldsOf, orThrow, wholeOf } from './fields.ts';
import { type Identity, identityOf, requireNotForeign } from './identity.ts';

/** Fields of the hash `ip` that the checks do not need to read. Absent where version 1 wrote it, or not usable. */
export interface RegisterExtras {
  /** How many operators of IP sources answered when all were asked last. */
  readonly answering?: number;
  /** How many producers acknowledged the current epoch, the first and the last when. */
  readonly told?: number;
  readonly firstAck?: number;
  readonly lastAck?: number;
}

/** What every reading command begins with. */
export interface Beginning {
  /** Redis's time, ms. */
  readonly nowMs: number;
  readonly identity: Identity;
  readonly register: Register;
  readonly extras: RegisterExtras;
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
  const [time, uuid, register, ...rest] = await redis.send(
    [['TIME'], identityCommand(keys), ['HGETALL', keys.ip], ...more],
    { repeatable: true },
  );
  read(time);
  const identity = identityOf(uuid, config.localUuid);
  requireNotForeign(identity, keys.uuid, config.localUuid);
  const hash = orThrow(register);
  return { nowMs: clock.nowMs(), identity, ...parseRegister(hash), extras: readExtras(hash), rest };
}

function readExtras(hash: Reply): RegisterExtras {
  const fields = fieldsOf(hash);
  const known = EXTRAS.map((name) => [name, wholeOf(fields.get(name))] as const);
  return Object.fromEntries(known.filter(([, value]) => value !== undefined));
}

const EXTRAS = ['answering', 'told', 'firstAck', 'lastAck'] as const satisfies (keyof RegisterExtras)[];

/** The rules for peers once our own addresses are known: nobody is called there. */
export function policyFor(
  { policy, config }: Pick<AppParts, 'policy' | 'config'>,
  { current }: Register,
): AddressPolicy {
  return withoutSelf(policy, { ips: [current], port: config.peers.port });
}
