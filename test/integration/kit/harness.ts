import { randomUUID } from 'node:crypto';
import { type ConsumerApiEvent, startConsumerApi } from '../../../kit/consumer-api/consumer-api.ts';
import { createMemory, type Memory } from '../../../kit/memory.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { cidr } from '../../../lib/peers/ip-space.ts';
import { createPostToPeer } from '../../../lib/peers/post.ts';
import { parseUuid, type Uuid } from '../../../lib/peers/uuid.ts';
import { createFeed } from '../../support/feed.ts';
import type { Owner } from '../../support/owner.ts';
import { startPeer } from '../../support/peer-server.ts';
import { type Posted, postFrom } from '../../support/post-from.ts';
import type { TestRedis } from '../../support/redis.ts';

export function newUuid(): Uuid {
  const uuid = parseUuid(randomUUID());
  if (uuid === undefined) throw new Error('randomUUID made none');
  return uuid;
}

/** A reference consumer API with a prefix of its own; callers are 127.0.0.2, 127.0.0.3 and so on. */
export async function startApi(
  t: Owner,
  { redis, command }: Pick<TestRedis, 'redis' | 'command'>,
  options: Partial<Parameters<typeof startConsumerApi>[0]> = {},
  change: (memory: Memory, prefix: string) => Memory = (memory) => memory,
) {
  const prefix = `{kit-${randomUUID()}}:`;
  const uuid = newUuid();
  // Consumers that move listen on the port that an address without one means.
  const holder = await startPeer(t, { status: 500 }, { host: '127.0.0.99' });
  const peerPort = holder.port;
  const policy = createAddressPolicy({ defaultPort: peerPort, allow: [cidr('127.0.0.0/8')] });
  const events = createFeed<ConsumerApiEvent>();
  const api = await startConsumerApi({
    uuid,
    memory: change(createMemory(redis, prefix, 300_000), prefix),
    policy,
    post: createPostToPeer({ policy }),
    listen: { port: 0 },
    onEvent: events.push,
    ...options,
  });
  t.after(api.stop);
  const address = `127.0.0.1:${api.port}`;
  return {
    uuid,
    address,
    port: api.port,
    peerPort,
    prefix,
    command,
    sync: (from: string, body: unknown, rest?: Parameters<typeof postFrom>[4]): Promise<Posted> =>
      postFrom(from, address, '/sync', body, rest),
    key: (name: string) => prefix + name,
    entry: (of: string) => command('HGET', `${prefix}consumers`, of),
    entries: () => command('HGETALL', `${prefix}consumers`),
    called: () => command('SMEMBERS', `${prefix}consumers:called`),
    /** Resolves with the event of this kind, at once if it has come. */
    event: (kind: ConsumerApiEvent['kind']) => events.first((event) => event.kind === kind),
  };
}
