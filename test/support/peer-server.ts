import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createFeed } from './feed.ts';
import type { Owner } from './owner.ts';

/** One request as it came over the wire. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, in the sender's order and spelling. */
  readonly rawHeaders: readonly string[];
  readonly body: string;
  /** The address the call came from, as the peer sees it. */
  readonly remoteAddress: string;
  /** When its body was complete, `Date.now()`. */
  readonly at: number;
}

/** What a peer answers. `body` that is no string is sent as JSON. Default: 200, no body. */
export interface PeerAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/**
 * How a peer behaves: an answer, `hang` (accept and say nothing), `reset` (RST after the request), or undefined after
 * having written to `response` itself. A promise delays it; its rejection resets the connection.
 */
export type PeerBehaviour = (
  request: RecordedRequest,
  response: ServerResponse,
) => PeerResult | Promise<PeerResult>;
type PeerResult = PeerAnswer | 'hang' | 'reset' | undefined;

export interface Peer {
  /** `ip:port`, as it stands in `consumers` and `producers`. */
  readonly address: string;
  readonly port: number;
  /** Everything asked so far, in the order of completion. */
  readonly requests: readonly RecordedRequest[];
  /** Replaces the behaviour from the next request on. */
  respond(behaviour: PeerBehaviour | PeerAnswer): void;
  /** Resolves as soon as `count` requests have come in all (at once if they have). Pair it with the test's timeout. */
  received(count: number): Promise<readonly RecordedRequest[]>;
  /** Closes the port and every connection. Called after the test by itself; calling it twice is fine. */
  stop(): Promise<void>;
}

/**
 * Starts a real HTTP server on loopback that records what it is asked.
 *
 * @example
 * const peer = await startPeer(t, () => ({ body: { uuid } }));
 * await sync();
 * assert.equal(peer.requests[0]?.path, '/sync');
 */
export async function startPeer(
  t: Owner,
  behaviour: PeerBehaviour | PeerAnswer = {},
  { host = '127.0.0.1', port = 0 }: { host?: string; port?: number } = {},
): Promise<Peer> {
  let current = behaviour;
  const requests = createFeed<RecordedRequest>();

  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on('error', () => undefined);
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', async () => {
      const request: RecordedRequest = {
        method: message.method ?? '',
        path: message.url ?? '',
        headers: message.headers,
        rawHeaders: message.rawHeaders,
        body: Buffer.concat(chunks).toString(),
        remoteAddress: message.socket.remoteAddress ?? '',
        at: Date.now(),
      };
      requests.push(request);
      try {
        const result = typeof current === 'function' ? await current(request, response) : current;
        if (result === 'reset') message.socket.resetAndDestroy();
        else if (result !== undefined && result !== 'hang') answer(response, result);
      } catch {
        message.socket.resetAndDestroy();
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, 1024, () => resolve());
  });
  const bound = (server.address() as AddressInfo).port;

  const stop = async () => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  t.after(stop);

  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    requests: requests.items,
    respond: (next) => {
      current = next;
    },
    received: (count) => requests.matching(() => true, count),
    stop,
  };
}

function answer(response: ServerResponse, { status = 200, headers = {}, body }: PeerAnswer): void {
  if (response.writableEnded || response.destroyed) return;
  const json = body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body);
  const sent = json ? JSON.stringify(body) : body;
  response.writeHead(status, json ? { 'content-type': 'application/json', ...headers } : { ...headers });
  response.end(sent);
}
