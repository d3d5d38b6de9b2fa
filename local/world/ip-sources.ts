import { once } from 'node:events';
import { createServer } from 'node:http';

/** A part of the world that can be ended. */
export interface Stoppable {
  stop(): Promise<void>;
}

/** Starts the simulated echo services. All tell the same address, the one that `publicIp` answers at that moment. */
export function startIpSources(ports: readonly number[], publicIp: () => string): Promise<Stoppable[]> {
  return Promise.all(
    ports.map(async (port) => {
      const server = createServer(({ url }, response) => {
        if (url !== '/') response.statusCode = 404;
        response.setHeader('content-type', 'text/plain');
        response.end(url === '/' ? `${publicIp()}\n` : '');
      });
      await once(server.listen(port, '127.0.0.1'), 'listening');
      return {
        async stop() {
          server.close();
          server.closeAllConnections();
        },
      };
    }),
  );
}
