import { setTimeout as delay } from 'node:timers/promises';
import { parseUuid } from '../../lib/peers/uuid.ts';
import { CONSUMERS, type SimulatedConsumer, SLOW_MS } from './cast.ts';
import { jsonFields, serve, type WorldAnswer, type WorldServer } from './server.ts';

/** Starts every simulated consumer API that is not down; `ports` are in the order of `CONSUMERS`. */
export async function startConsumers(ports: readonly number[]): Promise<WorldServer[]> {
  const addressOf = (name: string) =>
    `127.0.0.1:${ports[CONSUMERS.findIndex((other) => other.name === name)]}`;
  return Promise.all(
    CONSUMERS.flatMap((consumer, index) => {
      const port = ports[index];
      if (consumer.behaviour === 'down' || port === undefined) return [];
      return serve(port, async ({ method, path, body }) => {
        if (method !== 'POST' || path !== '/sync') return { status: 404 };
        if (parseUuid(jsonFields(body).uuid) === undefined) return { status: 400 };
        if (consumer.behaviour === 'slow') await delay(SLOW_MS);
        return replyOf(consumer, addressOf);
      });
    }),
  );
}

/** uuid and address of those that `consumers` holds from the start, as a flat list for HSET. */
export function knownConsumers(ports: readonly number[]): string[] {
  return CONSUMERS.flatMap(({ known, uuid }, index) => (known ? [uuid, `127.0.0.1:${ports[index]}`] : []));
}

function replyOf(
  { behaviour, uuid, introduces }: SimulatedConsumer,
  addressOf: (name: string) => string,
): WorldAnswer {
  if (behaviour === 'plain') return { status: 200 };
  const introduced = CONSUMERS.filter(({ name }) => name === introduces);
  return {
    status: 200,
    body: {
      uuid,
      consumers: introduced.map((other) => ({ uuid: other.uuid, ip: addressOf(other.name) })),
    },
  };
}
