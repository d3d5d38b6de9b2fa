import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Ip, parseIp } from '../lib/peers/ip-space.ts';

/** A request that was read whole. */
export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The bytes as they came: a signature is about these. */
  readonly body: Buffer;
  /** Where the call came from: the IP alone, in canonical spelling. */
  readonly from: Ip;
}

/** What is answered. `json` may be left out; `retryAfterS` becomes a Retry-After header. */
export interface Answer {
  readonly status: number;
  readonly json?: object;
  readonly retryAfterS?: number;
}

/** Where to listen. Without `host`: on every address of this machine. Port 0 takes any free port. */
export interface Listen {
  readonly host?: string;
  readonly port: number;
}

export interface ServerOptions {
  readonly listen: Listen;
  /** Addresses of your own reverse proxies. Only from these is `X-Forwarded-For` believed. */
  readonly proxies: readonly string[];
  readonly handle: (request: Request) => Promise<Answer>;
}

export interface RunningServer {
  readonly port: number;
  /** Closes the port and every connection. */
  stop(): Promise<void>;
}

/** A genuine body has under 200 bytes, a genuine header block under 1 KiB. */
const MOST_BODY_BYTES = 4_096;
const MOST_HEADER_BYTES = 8_192;
/** A request that is not complete by then is broken off. */
const REQUEST_MS = 5_000;
const MOST_CONNECTIONS = 512;
const MOST_CONNECTIONS_OF_ONE_IP = 32;

/**
 * An HTTP server that strangers may call: every request has a limit of bytes and of time, every address a limit of
 * connections. What a handler throws is answered with 500.
 */
export async function startServer({ listen, proxies, handle }: ServerOptions): Promise<RunningServer> {
  const connections = new Map<string, number>();
  const server = createServer(
    { maxHeaderSize: MOST_HEADER_BYTES, requestTimeout: REQUEST_MS, connectionsCheckingInterval: 1_000 },
    async (message, response) => {
      let answer: Answer;
      try {
        answer = await answerTo(message);
      } catch {
        answer = { status: 500 };
      }
      const { status, json, retryAfterS } = answer;
      response.writeHead(status, {
        connection: 'close',
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...(retryAfterS !== undefined && { 'retry-after': String(retryAfterS) }),
      });
      response.end(json === undefined ? undefined : JSON.stringify(json));
    },
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.on('connection', (socket) => {
    const ip = unwrapped(socket.remoteAddress);
    const count = (connections.get(ip) ?? 0) + 1;
    connections.set(ip, count);
    socket.once('close', () => {
      const left = (connections.get(ip) ?? 1) - 1;
      if (left === 0) connections.delete(ip);
      else connections.set(ip, left);
    });
    if (count > MOST_CONNECTIONS_OF_ONE_IP && !proxies.includes(ip)) socket.destroy();
  });

  const answerTo = async (message: IncomingMessage): Promise<Answer> => {
    const from = callerOf(message, proxies);
    if (from === undefined) return { status: 400 };
    const body = await readBody(message);
    if (body === undefined) return { status: 413 };
    const { method = '', url: path = '', headers } = message;
    return handle({ method, path, headers, body, from });
  };

  await once(server.listen(listen), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The fields of a JSON object, or undefined for anything else. */
export function jsonObject(body: Buffer | string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** The connection's other end. Behind a proxy of yours: the address that this proxy added last. */
function callerOf({ socket, headers }: IncomingMessage, proxies: readonly string[]): Ip | undefined {
  const ip = unwrapped(socket.remoteAddress);
  if (!proxies.includes(ip)) return parseIp(ip);
  const forwarded = String(headers['x-forwarded-for'] ?? '').split(',');
  return parseIp(unwrapped(forwarded.at(-1)?.trim()));
}

/** A socket that takes IPv4 and IPv6 shows an IPv4 caller as `::ffff:198.51.100.7`. */
function unwrapped(address = ''): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

async function readBody(message: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message) {
    bytes += chunk.length;
    if (bytes > MOST_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
