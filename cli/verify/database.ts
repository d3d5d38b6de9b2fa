import type { Command, Redis } from '../../lib/redis/redis.ts';
import { createKeys } from '../../lib/store/keys.ts';
import { repliesTo } from '../../lib/store/replies.ts';

/** The test database of a consumer API: what the API wrote there, and what its scheduler would have written. */
export interface Database {
  /** The identity of the consumer, if the database has one. */
  identity(): Promise<string | undefined>;
  entry(uuid: string): Promise<string | undefined>;
  count(): Promise<number>;
  isCalled(uuid: string): Promise<boolean>;
  /** Makes an entry, as an operator or an earlier call would have. */
  plant(uuid: string, address: string): Promise<void>;
  /** Writes what the scheduler found out about an entry. */
  plantHealth(uuid: string, state: 'alive' | 'suspect' | 'dead', address: string): Promise<void>;
  /** Writes whom the scheduler suggests to name, and that a round has just ended. */
  plantReply(consumers: readonly { uuid: string; ip: string }[]): Promise<void>;
  /** Makes the newest round one of long ago. False where there are rounds that are not planted. */
  stopScheduler(): Promise<boolean>;
  /** Has Redis serve nobody for a while; false where this Redis cannot. */
  pause(ms: number): Promise<boolean>;
  remove(uuid: string): Promise<void>;
  /** Removes everything that was planted and every entry that is not from before the check. */
  restore(): Promise<void>;
}

export async function openDatabase(redis: Redis, prefix: string): Promise<Database> {
  const keys = createKeys(prefix);
  const send = (...commands: Command[]) => repliesTo(redis, commands);
  const text = async (...command: Command) => {
    const [reply] = await send(command);
    return typeof reply === 'string' ? reply : undefined;
  };
  const fields = async () => {
    const [reply] = await send(['HKEYS', keys.consumers]);
    return Array.isArray(reply) ? reply.map(String) : [];
  };
  const before = new Set(await fields());
  const replyBefore = await text('GET', keys.reply);
  const rounds: string[] = [];
  const removeRounds = async () => {
    if (rounds.length > 0) await send(['XDEL', keys.rounds, ...rounds.splice(0)]);
    // Redis keeps a stream that has become empty.
    if ((await send(['XLEN', keys.rounds]))[0] !== 0) return false;
    await send(['DEL', keys.rounds]);
    return true;
  };
  const planted = new Set<string>();

  return {
    identity: () => text('GET', keys.uuid),
    entry: (uuid) => text('HGET', keys.consumers, uuid),
    count: async () => Number((await send(['HLEN', keys.consumers]))[0]),
    isCalled: async (uuid) => (await send(['SISMEMBER', keys.called, uuid]))[0] === 1,
    async plant(uuid, address) {
      planted.add(uuid);
      await send(['HSET', keys.consumers, uuid, address]);
    },
    async plantHealth(uuid, state, address) {
      planted.add(uuid);
      await send(['HSET', keys.health, uuid, JSON.stringify({ state, address, since: 0 })]);
    },
    async plantReply(consumers) {
      const id = await text('XADD', keys.rounds, '*', 'planted', 'verify');
      if (id !== undefined) rounds.push(id);
      await send(['SET', keys.reply, JSON.stringify({ consumers })]);
    },
    async stopScheduler() {
      if (!(await removeRounds())) return false;
      const id = await text('XADD', keys.rounds, '1-1', 'planted', 'verify');
      if (id !== undefined) rounds.push(id);
      return true;
    },
    async pause(ms) {
      const [reply] = await redis.send([['CLIENT', 'PAUSE', ms, 'ALL']], { repeatable: false });
      return reply === 'OK';
    },
    async remove(uuid) {
      await send(['HDEL', keys.consumers, uuid], ['HDEL', keys.health, uuid], ['SREM', keys.called, uuid]);
    },
    async restore() {
      const ours = [...planted, ...(await fields()).filter((field) => !before.has(field))];
      if (ours.length > 0) {
        await send(
          ['HDEL', keys.consumers, ...ours],
          ['HDEL', keys.health, ...ours],
          ['SREM', keys.called, ...ours],
        );
      }
      await removeRounds();
      await send(replyBefore === undefined ? ['DEL', keys.reply] : ['SET', keys.reply, replyBefore]);
    },
  };
}
