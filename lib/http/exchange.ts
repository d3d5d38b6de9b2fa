import type { OnReadOpts, Socket } from 'node:net';
import { onAbort } from './on-abort.ts';
import { type Failure, failureOf, type Outcome } from './outcome.ts';
import { createReplyParser, type Parsed } from './reply-parser.ts';
import { parseRetryAfter } from './retry-after.ts';

/** One exchange. Nothing is retried, followed or decompressed. */
export interface ExchangeRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Lines as they go over the wire, `name: value`. Host belongs in it; the content-length of a body does not. */
  readonly headers: readonly string[];
  readonly body?: string;
  /**
   * Makes the socket, which is used for this exchange alone and hands what it reads to `onread`. What it throws is a
   * failure like any other.
   */
  readonly connect: (onread: OnReadOpts) => Socket;
  /** Asked once connected, right before the first byte leaves. A failure ends the exchange, and nothing has left. */
  readonly admit?: (socket: Socket) => Failure | undefined;
  /** From now to the reply's last byte, connecting included; an absolute deadline. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly signal?: AbortSignal | undefined;
  /** The wall clock, for a Retry-After that is a date. Default `Date.now`. */
  readonly wallMs?: () => number;
}

/**
 * One HTTP/1.1 exchange with a stranger over a socket of its own: one request, one bounded reply, closed. Never throws.
 * Whatever the other side does, it settles by the deadline, holds no more than `createReplyParser` says, and has destroyed
 * the socket.
 *
 * It works on bare sockets because a round is made of such exchanges, and `node:http` without keep-alive costs twice the
 * CPU (docs/BENCHMARKS.md).
 */
export function exchange(wanted: ExchangeRequest): Promise<Outcome> {
  return new Promise((resolve) => {
    const startMs = performance.now();
    let socket: Socket | undefined;
    let admitted = false;
    let settled = false;
    let expired = false;
    let leave: (() => void) | undefined;

    const settle = (parsed: Parsed) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      leave?.();
      socket?.destroy();
      const rttMs = performance.now() - startMs;
      if (parsed.kind === 'failed') return resolve({ ...parsed, mayHaveArrived: admitted, rttMs });
      const { status, body, retryAfter } = parsed;
      const retryAfterMs = parseRetryAfter(retryAfter, (wanted.wallMs ?? Date.now)());
      // In the next turn of the event loop: replies that arrived together are all read before the calls that follow them
      // start. A round takes a tenth less time so.
      setImmediate(resolve, {
        kind: 'replied',
        status,
        body,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
        rttMs,
      } satisfies Outcome);
    };
    const fail = (error: Failure) => settle({ kind: 'failed', error });
    const failWith = (error: unknown) => fail(failureOf(error, admitted));

    // Timers run before sockets are read. After a pause of the process a reply may have arrived long before this
    // timer runs: one turn of the event loop reads it first.
    const timer = setTimeout(
      () => {
        expired = true;
        setImmediate(fail, 'timeout');
      },
      Math.max(0, wanted.timeoutMs),
    );
    if (wanted.signal?.aborted) return fail('aborted');
    if (wanted.signal !== undefined) leave = onAbort(wanted.signal, () => fail('aborted'));

    try {
      const request = formatRequest(wanted);
      const parser = createReplyParser(wanted.maxBodyBytes);
      const onread = {
        buffer: READ,
        callback: (bytes: number) => {
          const parsed = settled ? undefined : parser.push(Buffer.from(READ.subarray(0, bytes)));
          if (parsed !== undefined) settle(parsed);
          return true;
        },
      };
      const used = wanted.connect(onread);
      socket = used;
      used.on('error', failWith);
      // Over TLS not before the other side has proven who it is.
      used.once('encrypted' in used ? 'secureConnect' : 'connect', () => {
        if (settled || expired) return;
        const refusal = wanted.admit?.(used);
        if (refusal !== undefined) return fail(refusal);
        admitted = true;
        used.write(request);
      });
      used.once('end', () => settle(parser.end()));
      used.once('close', () => fail('reset'));
    } catch (error) {
      failWith(error);
    }
  });
}

/** All sockets read into it, one after the other: a buffer for each read is much for the few bytes of most replies. */
const READ = Buffer.alloc(65_536);

/** @throws TypeError if a header or the path would be read as something else. */
function formatRequest({ method, path, headers, body }: ExchangeRequest): string {
  if (!PATH.test(path)) throw new TypeError('the request path must start with / and hold no space');
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (const line of headers) {
    if (!HEADER_LINE.test(line)) throw new TypeError('a request header must be printable ASCII on one line');
    head += `${line}\r\n`;
  }
  return body === undefined
    ? `${head}\r\n`
    : `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

const PATH = /^\/[\x21-\x7e]*$/;
const HEADER_LINE = /^[\x20-\x7e]+$/;
