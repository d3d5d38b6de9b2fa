import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { isFree } from '../support/ports.ts';
import { createRandom } from './random.ts';

/** One request as it came in. */
export interface Call {
  readonly place: Place;
  readonly method: string;
  readonly path: string;
  readonly epoch: string;
  readonly body: string;
  /** Whether the caller still waits. */
  alive(): boolean;
  readonly response: ServerResponse;
}

/** An address at which somebody may live: a port that listens, or refuses. */
export interface Place {
  readonly address: string;
  /** Refuses connections, or accepts them again. What was open is reset. */
  open(wanted: boolean): Promise<void>;
}

/** A block of ports of our own, below those that the system hands out, so that one that refuses stays ours. */
export async function startPlaces(count: number, onCall: (call: Call) => void): Promise<Place[]> {
  const base = await freeBlock(count);
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const place = createPlace(base + i, onCall);
      await place.open(true);
      return place;
    }),
  );
}

function createPlace(port: number, onCall: (call: Call) => void): Place {
  let server: Server | undefined;

  const receive = async (place: Place, request: IncomingMessage, response: ServerResponse) => {
    let left = false;
    request.socket.once('close', () => {
      left = true;
    });
    const chunks: Buffer[] = [];
    // A request that breaks off was never made.
    request.on('error', () => {});
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () =>
      onCall({
        place,
        method: request.method ?? '',
        path: request.url ?? '',
        epoch: String(request.headers['x-ip-epoch'] ?? ''),
        body: Buffer.concat(chunks).toString(),
        alive: () => !left,
        response,
      }),
    );
  };

  const place: Place = {
    address: `127.0.0.1:${port}`,
    async open(wanted) {
      if (wanted && server === undefined) {
        server = createServer((request, response) => void receive(place, request, response));
        await listen(server, port);
      } else if (!wanted && server !== undefined) {
        const closed = new Promise<void>((resolve) => server?.close(() => resolve()));
        server.closeAllConnections();
        server = undefined;
        await closed;
      }
    },
  };
  return place;
}

/** Tries again for a second where the port is not free at this moment. */
async function listen(server: Server, port: number): Promise<void> {
  for (let attempts = 1; ; attempts++) {
    const fault = await new Promise<Error | undefined>((resolve) => {
      server.once('error', resolve);
      server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
        server.off('error', resolve);
        resolve(undefined);
      });
    });
    if (fault === undefined) return;
    if (attempts >= 20) throw fault;
    await delay(50);
  }
}

async function freeBlock(count: number): Promise<number> {
  // Not by the seed: two runs of one seed may run side by side.
  const random = createRandom(process.pid ^ Date.now());
  for (let attempts = 0; attempts < 200; attempts++) {
    const base = random.between(10_000, 32_000 - count);
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(base + i)));
    if (free.every(Boolean)) return base;
  }
  throw new Error(`There are no ${count} free ports in a row below 32,000 on 127.0.0.1.`);
}
