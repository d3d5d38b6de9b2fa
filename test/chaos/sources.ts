import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Random } from './random.ts';
import { reset } from './reset.ts';

/** What an IP source does: tells the truth, or what it told before, or nothing that can be used. */
export type Honesty = 'true' | 'stale' | 'silent' | 'error' | 'nonsense';

/** Three echo services of different operators, which a loopback address and port are each. */
export interface Sources {
  /** For `IP_SOURCES`. */
  readonly list: string;
  /** What they see. */
  ip: string;
  /** Makes one of them go wrong, or all, or none, until the next time. Answers what, in a few words. */
  upset(random: Random): string;
  calm(): void;
  close(): Promise<void>;
}

const COUNT = 3;

export async function startSources(onAsked: () => void): Promise<Sources> {
  const honesty: Honesty[] = Array.from({ length: COUNT }, () => 'true');
  let ip = '';
  let before = '';

  const respond = (index: number, response: ServerResponse) => {
    switch (honesty[index]) {
      case 'silent':
        return reset(response);
      case 'error':
        return response.writeHead(503).end();
      case 'nonsense':
        return response.end('<html>Welcome</html>');
      case 'stale':
        return response.end(before);
      default:
        return response.end(`${ip}\n`);
    }
  };
  const servers = await Promise.all(
    honesty.map(async (_, index) => {
      const server = createServer((request, response) => {
        request.resume();
        onAsked();
        respond(index, response);
      });
      await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1' }, resolve));
      return server;
    }),
  );

  return {
    list: servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`).join(','),
    get ip() {
      return ip;
    },
    set ip(next) {
      before = ip === '' ? next : ip;
      ip = next;
    },
    upset(random) {
      const how = random.pick<Honesty>(['stale', 'silent', 'error', 'nonsense']);
      const all = how !== 'stale' && random.chance(0.2);
      const one = random.between(0, COUNT - 1);
      for (const [i] of honesty.entries()) honesty[i] = all || i === one ? how : 'true';
      return all ? `all IP sources: ${how}` : `one IP source: ${how}`;
    },
    calm: () => void honesty.fill('true'),
    async close() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
    },
  };
}
