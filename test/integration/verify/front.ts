import { createServer, type IncomingHttpHeaders, request, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { listen, type Owner } from '../../support/owner.ts';

/** What came to the front. */
export interface Incoming {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The fields of its JSON object, none if it is no object. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly from: string;
  readonly fromPort: number;
}

/** What the peer behind the front has answered. */
export interface Outgoing {
  readonly status: number;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How a peer differs from the reference peer behind it. Each may answer undefined: no difference. */
export interface Fault {
  /** Answers by itself, or passes another request on. */
  readonly onRequest?: (incoming: Incoming) => Promise<Outgoing | Partial<Incoming> | undefined>;
  /** Changes what is answered. */
  readonly onReply?: (reply: Outgoing, incoming: Incoming) => Promise<Outgoing | undefined>;
  /** Reads half a request for ever, or as long as bytes come. */
  readonly patient?: 'for ever' | 'from byte to byte';
  /** Allows one address any number of connections. */
  readonly crowded?: boolean;
}

/** Answers certain requests in place of the peer. */
export function answering(is: (incoming: Incoming) => boolean, status: number): Fault {
  return { onRequest: async (incoming) => (is(incoming) ? { status, fields: {} } : undefined) };
}

const MOST_CONNECTIONS_OF_ONE = 32;

/**
 * Puts a fault in front of a peer on loopback. Calls go on from the address that they came from, so that the peer sees the
 * same caller. Answers the port of the front.
 */
export async function startFront(t: Owner, peerPort: number, fault: Fault): Promise<number> {
  const answer = async (incoming: Incoming, response: ServerResponse) => {
    const made = await fault.onRequest?.(incoming);
    const reply =
      made !== undefined && 'status' in made ? made : await forward(peerPort, { ...incoming, ...made });
    const { status, fields, headers = {} } = (await fault.onReply?.(reply, incoming)) ?? reply;
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(Object.keys(fields).length === 0 ? '' : JSON.stringify(fields));
  };
  const server = createServer(
    {
      maxHeaderSize: 100_000,
      ...(fault.patient
        ? { requestTimeout: 0, headersTimeout: 0 }
        : { requestTimeout: 1_500, headersTimeout: 1_500, connectionsCheckingInterval: 100 }),
    },
    async (message, response) => {
      const body = (await buffer(message)).toString();
      const { method = '', url: path = '', headers, socket } = message;
      const incoming = {
        method,
        path,
        headers,
        body,
        fields: fieldsOf(body),
        from: socket.remoteAddress ?? '',
        fromPort: socket.remotePort ?? 0,
      };
      await answer(incoming, response).catch(() => response.destroy());
    },
  );
  if (fault.patient === 'from byte to byte') server.setTimeout(1_500);
  const open = new Map<string, number>();
  server.on('connection', (socket) => {
    const from = socket.remoteAddress ?? '';
    const count = (open.get(from) ?? 0) + 1;
    open.set(from, count);
    socket.on('close', () => open.set(from, (open.get(from) ?? 1) - 1));
    if (count > MOST_CONNECTIONS_OF_ONE && !fault.crowded) socket.destroy();
  });
  t.after(async () => {
    server.close();
    server.closeAllConnections();
  });
  return listen(server);
}

function forward(port: number, { method, path, headers, body, from }: Incoming): Promise<Outgoing> {
  return new Promise((resolve, reject) => {
    const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'content-length'));
    const call = request(
      { host: '127.0.0.1', port, path, method, headers: kept, agent: false, localAddress: from },
      async (response) => {
        const fields = fieldsOf((await buffer(response)).toString());
        const after = response.headers['retry-after'];
        resolve({
          status: response.statusCode ?? 0,
          fields,
          ...(after !== undefined && { headers: { 'retry-after': after } }),
        });
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

function fieldsOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}
