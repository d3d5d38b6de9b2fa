import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { onAbort } from './on-abort.ts';
import { type TransportError, transportErrorOf } from './transport-error.ts';

/** Status line and headers of one reply, and all interim (1xx) ones before it. */
export const MAX_HEADER_BYTES = 16_384;

/** What one exchange is. Nothing is added to `headers`, nothing is retried, followed or decompressed. */
export interface ExchangeRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Names and values in turn, as they go over the wire. Host and, for a body, content-length belong in it. */
  readonly headers: readonly string[];
  readonly body?: string;
  /** Makes the socket, which is used for this exchange alone. What it throws is a failure like any other. */
  readonly connect: () => Socket;
  /** Asked once connected, before any byte leaves: false ends the exchange as `forbidden`. */
  readonly admit?: (socket: Socket) => boolean;
  /** From now to the reply's last byte, connecting included; an absolute deadline. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export type ExchangeOutcome =
  | {
      /** A whole reply, any status from 200 to 599 but 3xx. */
      readonly kind: 'replied';
      readonly status: number;
      readonly body: Buffer;
      readonly retryAfter: string | undefined;
    }
  | {
      readonly kind: 'failed';
      readonly error: TransportError;
      readonly status?: number;
      /** Whether the connection stood, so that bytes of the request may have left. */
      readonly connected: boolean;
    };

/**
 * One HTTP/1.1 exchange with a stranger over a socket of its own: one request, one bounded reply, closed. Never throws;
 * whatever the other side does, it settles by the deadline, has read at most `MAX_HEADER_BYTES` before a reply's status and
 * twice `maxBodyBytes` more (framing included) plus what one read of the socket holds, and has destroyed the socket.
 *
 * `http`'s own `timeout` is idle-only: a body of one byte a second or endless 1xx replies outlive it. Hence a timer.
 */
export function exchange(wanted: ExchangeRequest): Promise<ExchangeOutcome> {
  return new Promise((resolve) => {
    let socket: Socket | undefined;
    let connected = false;
    let settled = false;
    let leave: (() => void) | undefined;

    const settle = (outcome: ExchangeOutcome) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      leave?.();
      socket?.destroy();
      resolve(outcome);
    };
    const fail = (error: TransportError, status?: number) =>
      settle({ kind: 'failed', error, connected, ...(status !== undefined && { status }) });
    const failWith = (error: unknown) => fail(transportErrorOf(error, connected));

    const timer = setTimeout(fail, Math.max(0, wanted.timeoutMs), 'timeout');
    if (wanted.signal?.aborted) return fail('aborted');
    if (wanted.signal !== undefined) leave = onAbort(wanted.signal, () => fail('aborted'));

    // http limits one head. Empty lines before it, interim replies, and what frames tiny chunks have no limit there.
    let bytes = 0;
    let headed = false;
    const maxBytes = MAX_HEADER_BYTES + 2 * wanted.maxBodyBytes;
    const count = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > (headed ? maxBytes : MAX_HEADER_BYTES)) fail('oversized');
    };

    const open = () => {
      socket = wanted.connect();
      socket.on('error', failWith);
      socket.once('connect', () => {
        if (socket !== undefined && wanted.admit?.(socket) === false) return fail('forbidden');
        connected = true;
      });
      return socket;
    };

    try {
      const request = httpRequest({
        method: wanted.method,
        path: wanted.path,
        headers: wanted.headers,
        createConnection: open,
        maxHeaderSize: MAX_HEADER_BYTES,
        insecureHTTPParser: false,
      });
      request.on('error', failWith);
      request.on('information', ({ statusCode }) => {
        if (statusCode === 101) fail('malformed', statusCode);
      });
      request.on('upgrade', ({ statusCode }) => fail('malformed', statusCode));
      request.on('response', (reply) => {
        headed = true;
        receive(reply, wanted.maxBodyBytes, settle, fail, failWith);
      });
      // After http's own listener, which has parsed a chunk by then.
      request.once('socket', (used) => used.on('data', count));
      request.end(wanted.body);
    } catch (error) {
      failWith(error);
    }
  });
}

function receive(
  reply: IncomingMessage,
  maxBodyBytes: number,
  settle: (outcome: ExchangeOutcome) => void,
  fail: (error: TransportError, status?: number) => void,
  failWith: (error: unknown) => void,
): void {
  reply.on('error', failWith);
  const status = reply.statusCode ?? 0;
  const refusal = refusalOf(status, reply, maxBodyBytes);
  if (refusal !== undefined) {
    fail(refusal, status);
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  reply.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes > maxBodyBytes) fail('oversized', status);
  });
  reply.on('end', () => {
    const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, bytes);
    settle({ kind: 'replied', status, body, retryAfter: reply.headers['retry-after'] });
  });
}

/** What is wrong with a reply whose headers are there, before a byte of its body is read. */
function refusalOf(status: number, reply: IncomingMessage, maxBodyBytes: number): TransportError | undefined {
  if (status < 200 || status > 599) return 'malformed';
  if (status >= 300 && status < 400) return 'redirect';
  return Number(reply.headers['content-length'] ?? 0) > maxBodyBytes ? 'oversized' : undefined;
}
