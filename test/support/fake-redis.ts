import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { listen, type Owner } from './owner.ts';

/** A TCP server that does with each connection's data what the script says, for faults that no real Redis shows on demand. */
export async function startFakeTcpRedis(
  t: Owner,
  onData: (socket: Socket, connection: number) => void,
): Promise<{ url: string; received: string[] }> {
  const received: string[] = [];
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const connection = ++connections;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (data) => {
      received.push(data.toString());
      onData(socket, connection);
    });
  });
  const port = await listen(server);
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `redis://:planted-password@127.0.0.1:${port}`, received };
}

/** An HTTP server in the place of Upstash: the n-th request gets the n-th answer, the last one for ever. */
export async function startFakeRest(
  t: Owner,
  answers: readonly ((request: IncomingMessage, response: ServerResponse) => void)[],
): Promise<{ url: string; token: string; requests: IncomingMessage[]; bodies: string[] }> {
  const requests: IncomingMessage[] = [];
  const bodies: string[] = [];
  const server = createHttpServer(async (request, response) => {
    const index = requests.push(request) - 1;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    bodies.push(Buffer.concat(chunks).toString());
    (answers[index] ?? answers.at(-1))?.(request, response);
  });
  const port = await listen(server);
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${port}`, token: 'planted-token', requests, bodies };
}

/** Answers with a status and a body. */
export function answer(status: number, body: string | object) {
  return (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status, {
      'content-type': typeof body === 'string' ? 'text/html' : 'application/json',
    });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

/** A port of 127.0.0.1 on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
