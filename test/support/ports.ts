import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Ports for a local stack of its own: four single ones, and the first of the world's. */
export interface StackPorts {
  readonly lambda: number;
  readonly redis: number;
  readonly rest: number;
  readonly page: number;
  readonly world: number;
}

const SIZE = 40;

/**
 * A block of 40 ports that are free on 127.0.0.1 at this moment, below the range from which systems take ephemeral
 * ports, so that no connection takes one in between.
 */
export async function freePorts(): Promise<StackPorts> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const base = randomInt(10_000, 32_000 - SIZE);
    const free = await Promise.all(Array.from({ length: SIZE }, (_, index) => isFree(base + index)));
    if (free.every(Boolean))
      return { lambda: base, redis: base + 1, rest: base + 2, page: base + 3, world: base + 4 };
  }
  throw new Error('no block of free ports was found');
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
