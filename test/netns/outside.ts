import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { inhabit, report } from './inhabitant.ts';

/** The internet as the consumer sees it: IP sources that tell who calls them, and peers. */

const servers: Server[] = [];

async function listen(server: Server, port: number, ip: string): Promise<void> {
  servers.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, ip, resolve);
  });
}

const sayWhoCalls: RequestListener = ({ socket }, response) => {
  report({ to: socket.localAddress, from: socket.remoteAddress, path: 'source', body: '', at: Date.now() });
  response.end(`${socket.remoteAddress}\n`);
};

inhabit(
  {
    start: () => {},
    source: (ip: string, key: string, cert: string) =>
      listen(createHttpsServer({ key: readFileSync(key), cert: readFileSync(cert) }, sayWhoCalls), 443, ip),
    peer: (ip: string, port = 80) =>
      listen(
        createServer(async (request, response) => {
          const body = await text(request);
          const to = port === 80 ? ip : `${ip}:${port}`;
          report({ to, from: request.socket.remoteAddress, path: request.url, body, at: Date.now() });
          response.end();
        }),
        port,
        ip,
      ),
  },
  async () => {
    for (const server of servers) server.close();
  },
);
