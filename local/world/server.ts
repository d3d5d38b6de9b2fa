import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface WorldServer {
  stop(): Promise<void>;
}

/** A request as a simulated peer sees it; the body is read whole, up to 64 KiB. */
export interface WorldRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** What it answers; an object is sent as JSON. */
export interface WorldAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | object;
}

const MAX_BODY = 65_536;

/** Listens on 127.0.0.1. A handler that throws, and a body over the cap, end the connection. */
export async function serve(
  port: number,
  handler: (request: WorldRequest) => WorldAnswer | Promise<WorldAnswer>,
): Promise<WorldServer> {
  const server = createServer((message, response) => {
    answer(message, response, handler).catch(() => message.socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  message: IncomingMessage,
  response: ServerResponse,
  handler: (request: WorldRequest) => WorldAnswer | Promise<WorldAnswer>,
): Promise<void> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error('body over the cap');
    chunks.push(chunk);
  }
  const { status, headers, body } = await handler({
    method: message.method ?? '',
    path: message.url ?? '',
    headers: message.headers,
    body: Buffer.concat(chunks).toString(),
  });
  const json = typeof body === 'object';
  response.writeHead(status, { ...(json ? { 'content-type': 'application/json' } : {}), ...headers });
  response.end(json ? JSON.stringify(body) : body);
}

/** The fields of a JSON object, or none: a simulated peer answers 400 to what lacks one that it needs. */
export function jsonFields(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
