import type { OnReadOpts, Socket } from 'node:net';
import { onAbort } from './on-abort.ts';
import { createReplyParser, type Parsed } from './reply-parser.ts';
import { type TransportError, transportErrorOf } from './transport-error.ts';

/** What one exchange is. Nothing is added to `headers`, nothing is retried, followed or decompressed. */
export interface ExchangeRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Names and values in turn, as they go over the wire. Host and, for a body, content-length belong in it. */
  readonly headers: readonly string[];
  readonly body?: string;
  /**
   * Makes the socket, which is used for this exchange alone and hands what it reads to `onread`. What it throws is a
   * failure like any other.
   */
  readonly connect: (onread: OnReadOpts) => Socket;
  /** Asked once connected, before any byte leaves: false ends the exchange as `forbidden`. */
  readonly admit?: (socket: Socket) => boolean;
  /** From now to the reply's last byte, connecting included; an absolute deadline. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export type ExchangeOutcome =
  | Extract<Parsed, { kind: 'replied' }>
  | (Extract<Parsed, { kind: 'failed' }> & {
      /** Whether the connection stood, so that bytes of the request may have left. */
      readonly connected: boolean;
    });

/**
 * One HTTP/1.1 exchange with a stranger over a socket of its own: one request, one bounded reply, closed. Never throws;
 * whatever the other side does, it settles by the deadline, holds no more than `createReplyParser` says, and has destroyed
 * the socket.
 *
 * Over bare sockets, because a round is made of such exchanges: what `node:http` does for one that is never reused costs as
 * much CPU as the kernel does, see docs/BENCHMARKS.md.
 */
export function exchange(wanted: ExchangeRequest): Promise<ExchangeOutcome> {
  return new Promise((resolve) => {
    let socket: Socket | undefined;
    let connected = false;
    let settled = false;
    let leave: (() => void) | undefined;

    const settle = (outcome: Parsed) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      leave?.();
      socket?.destroy();
      resolve(outcome.kind === 'failed' ? { ...outcome, connected } : outcome);
    };
    const fail = (error: TransportError) => settle({ kind: 'failed', error });
    const failWith = (error: unknown) => fail(transportErrorOf(error, connected));

    const timer = setTimeout(fail, Math.max(0, wanted.timeoutMs), 'timeout');
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
      used.once('connect', () => {
        if (wanted.admit?.(used) === false) return fail('forbidden');
        connected = true;
      });
      // Over TLS not before the other side has proven who it is.
      used.once('encrypted' in used ? 'secureConnect' : 'connect', () => {
        if (!settled) used.write(request);
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

/** @throws TypeError if a header or the path would not be read as what it is. */
function formatRequest({ method, path, headers, body = '' }: ExchangeRequest): string {
  if (!PATH.test(path)) throw new TypeError('no path of a request');
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const line = `${headers[i]}: ${headers[i + 1]}`;
    if (!HEADER_LINE.test(line)) throw new TypeError('no header of a request');
    head += `${line}\r\n`;
  }
  return `${head}\r\n${body}`;
}

const PATH = /^\/[\x21-\x7e]*$/;
const HEADER_LINE = /^[\x20-\x7e]+$/;
