import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { startConsumerApi } from '../../kit/consumer-api/consumer-api.ts';
import { type RunningServer, startServer } from '../../kit/http.ts';
import { createMemory } from '../../kit/memory.ts';
import { createAddressPolicy } from '../../lib/peers/address.ts';
import { cidr } from '../../lib/peers/ip-space.ts';
import { createPostToPeer } from '../../lib/peers/post.ts';
import { parseUuid } from '../../lib/peers/uuid.ts';
import type { Redis } from '../../lib/redis/redis.ts';
import { CONSUMERS, INVENTED, memberOf, SLOW_MS, WORLD_NETWORK, type WorldConsumer, YOU } from './cast.ts';

/** How often a round is run in this world, as far as the consumer APIs are concerned. */
const WORLD_INTERVAL_MS = 60_000;

/**
 * Starts the consumer API of every consumer that is not down, each at its own address, all at the same port. To them your
 * calls come from the simulated public address, which `publicIp` answers.
 */
export function startConsumers(redis: Redis, port: number, publicIp: () => string): Promise<RunningServer[]> {
  const policy = createAddressPolicy({ defaultPort: port, allow: [cidr(WORLD_NETWORK)] });
  const start = async (member: WorldConsumer): Promise<RunningServer[]> => {
    const listen = { host: member.ip, port };
    switch (member.kind) {
      case 'down':
        return [];
      case 'slow':
        return [await startServer({ listen, proxies: [], handle: () => answerLate(member) })];
      case 'liar':
        return [await startServer({ listen, proxies: [], handle: () => lie(member) })];
      case 'real': {
        const uuid = parseUuid(member.uuid);
        if (uuid === undefined) throw new Error(`${member.name} has no UUID`);
        const memory = createMemory(redis, member.prefix, WORLD_INTERVAL_MS);
        return [
          await startConsumerApi({
            uuid,
            memory,
            policy,
            post: createPostToPeer({ policy }),
            listen,
            seenAs: (from) => (from === YOU.ip ? publicIp() : from),
          }),
        ];
      }
    }
  };
  return Promise.all(CONSUMERS.map(start)).then((servers) => servers.flat());
}

async function answerLate({ uuid }: WorldConsumer) {
  await delay(SLOW_MS);
  return { status: 200, json: { uuid } };
}

/** It says that birch lives at its own address, and names a consumer that does not exist. */
async function lie({ uuid, ip }: WorldConsumer) {
  const invented = { uuid: INVENTED.uuid, ip: INVENTED.ip };
  return { status: 200, json: { uuid, consumers: [{ uuid: memberOf('birch').uuid, ip }, invented] } };
}

/** The liar calls as cedar, whom it is not. Nobody believes it as long as cedar answers where it is known. */
export async function callAsAnother(port: number): Promise<void> {
  const { ip: localAddress } = memberOf('liar');
  const body = JSON.stringify({ uuid: memberOf('cedar').uuid });
  await Promise.all(
    CONSUMERS.filter(({ kind }) => kind === 'real').map(
      ({ ip: host }) =>
        new Promise<void>((resolve) => {
          const call = request({ host, port, localAddress, method: 'POST', path: '/sync', agent: false });
          call.on('response', (response) => response.resume());
          call.on('error', () => undefined);
          call.on('close', resolve);
          call.end(body);
        }),
    ),
  );
}
