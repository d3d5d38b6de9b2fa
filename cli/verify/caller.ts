import { type OutgoingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Address } from '../../lib/peers/address.ts';
import { visible } from '../../report/text/escape.ts';

/** A reply of the peer, read whole. */
export interface Reply {
  readonly kind: 'reply';
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: number;
  /** The fields of its JSON object; undefined if its body is none. */
  readonly fields: Readonly<Record<string, unknown>> | undefined;
  readonly tookMs: number;
  /** This side's end of the connection, as the peer sees it. */
  readonly from: { readonly ip: string; readonly port: number };
}

export type Called = Reply | { readonly kind: 'failed'; readonly why: string; readonly tookMs: number };

export interface CallOptions {
  /** A local address to call from. */
  readonly from?: string | undefined;
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** Calls one peer. Never rejects. A body that is no string is sent as JSON. */
export type Call = (path: string, body: unknown, options?: CallOptions) => Promise<Called>;

const MOST_BYTES = 1_048_576;

/** `deadlineMs` is the time that the scheduler gives a whole exchange. */
export function createCall({ ip, port }: Address, deadlineMs: number): Call {
  return (path, body, { from, method = 'POST', headers = {} } = {}) =>
    new Promise((resolve) => {
      const started = performance.now();
      const tookMs = () => Math.round(performance.now() - started);
      const fail = (why: string) => resolve({ kind: 'failed', why, tookMs: tookMs() });
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const call = request({
        host: ip,
        port,
        path,
        method,
        agent: false,
        ...(from !== undefined && { localAddress: from }),
        headers: {
          'content-type': 'application/json',
          'accept-encoding': 'identity',
          connection: 'close',
          'content-length': Buffer.byteLength(text),
          ...headers,
        },
      });
      const deadline = setTimeout(() => {
        fail(`no whole reply within ${deadlineMs / 1_000} s`);
        call.destroy();
      }, deadlineMs);
      const end = () => clearTimeout(deadline);
      call.on('error', (error: NodeJS.ErrnoException) => {
        end();
        fail(visible(error.code ?? error.message));
      });
      call.on('response', (response) => {
        const { socket } = response;
        const local = { ip: socket.localAddress ?? '', port: socket.localPort ?? 0 };
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > MOST_BYTES) call.destroy();
          else chunks.push(chunk);
        });
        response.on('error', () => undefined);
        response.on('close', () => {
          end();
          if (!response.complete) return fail('the connection broke before the reply was whole');
          resolve({
            kind: 'reply',
            status: response.statusCode ?? 0,
            headers: response.headers,
            bytes,
            fields: fieldsOf(Buffer.concat(chunks).toString()),
            tookMs: tookMs(),
            from: local,
          });
        });
      });
      call.end(text);
    });
}

/** Opens a connection and sends half a request. */
function openHalf({ ip, port }: Address, localAddress?: string): Socket {
  const socket = connect({ host: ip, port, ...(localAddress !== undefined && { localAddress }) });
  socket.on('connect', () => socket.write('POST /sync HTTP/1.1\r\nhost: x\r\ncontent-le'));
  socket.on('error', () => undefined);
  return socket.resume();
}

/** From byte to byte of a request that never becomes whole: less than any peer waits for one. */
const DRIP_MS = 500;

/** Opens a connection, sends a request that never ends, and answers after how long the peer ends it; undefined if it does not. */
export function openStalled(address: Address, patienceMs: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const started = performance.now();
    const socket = openHalf(address);
    const patience = setTimeout(() => {
      socket.destroy();
      resolve(undefined);
    }, patienceMs);
    const drip = setInterval(() => socket.write('x'), DRIP_MS);
    socket.on('close', () => {
      clearTimeout(patience);
      clearInterval(drip);
      resolve(performance.now() - started);
    });
  });
}

/**
 * Opens `count` connections with half a request each, all from one address, and answers how many the peer has ended when
 * it has ended `enough`, or after `patienceMs`. `meanwhile` runs before the rest is closed.
 */
export async function openCrowd(
  address: Address,
  {
    from,
    count,
    enough,
    patienceMs,
  }: { from: string | undefined; count: number; enough: number; patienceMs: number },
  meanwhile: () => Promise<void>,
): Promise<number> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let closed = 0;
  const sockets = Array.from({ length: count }, () => {
    const socket = openHalf(address, from);
    socket.on('close', () => {
      closed += 1;
      if (closed >= enough) resolve();
    });
    return socket;
  });
  const patience = setTimeout(resolve, patienceMs);
  await ended;
  clearTimeout(patience);
  const found = closed;
  await meanwhile();
  for (const socket of sockets) socket.destroy();
  return found;
}

export function succeeded(called: Called): called is Reply {
  return called.kind === 'reply' && called.status >= 200 && called.status < 300;
}

/** What a peer may answer to a flood: 2xx, or 429. */
export function isServed(called: Called): boolean {
  return (called.kind === 'reply' && called.status === 429) || succeeded(called);
}

/** What came back, in a few words: `answered 500`, `no whole reply within 3 s`. */
export function describe(called: Called): string {
  return called.kind === 'failed' ? called.why : `answered ${called.status}`;
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
