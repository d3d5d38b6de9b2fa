import { isIP } from 'node:net';
import { parseUuid } from '../../lib/peers/uuid.ts';
import { PRODUCERS } from './cast.ts';
import { jsonFields, serve, type WorldServer } from './server.ts';

/** A producer was called: the address it was given and what it answered. */
export interface ProducerCalled {
  readonly kind: 'producer-called';
  readonly name: string;
  readonly ip: string;
  readonly status: number;
}

/** Starts every simulated producer; `ports` are in the order of `PRODUCERS`. */
export async function startProducers(
  ports: readonly number[],
  onEvent: (event: ProducerCalled) => void,
): Promise<WorldServer[]> {
  return Promise.all(
    PRODUCERS.flatMap(({ name, refusals }, index) => {
      const port = ports[index];
      if (port === undefined) return [];
      let refused = 0;
      return serve(port, ({ method, path, body }) => {
        if (method !== 'POST' || path !== '/ip') return { status: 404 };
        const { uuid, ip } = jsonFields(body);
        if (parseUuid(uuid) === undefined || typeof ip !== 'string' || isIP(ip) === 0) return { status: 400 };
        const refuses = refused < refusals;
        if (refuses) refused += 1;
        onEvent({ kind: 'producer-called', name, ip, status: refuses ? 503 : 200 });
        return { status: refuses ? 503 : 200 };
      });
    }),
  );
}

/** uuid and address of every producer, as a flat list for HSET. */
export function knownProducers(ports: readonly number[]): string[] {
  return PRODUCERS.flatMap(({ uuid }, index) => [uuid, `127.0.0.1:${ports[index]}`]);
}
