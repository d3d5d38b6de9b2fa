import { type OnReadOpts, type Socket, connect as tcpConnect } from 'node:net';
import { exchange } from '../http/exchange.ts';
import type { TransportError } from '../http/transport-error.ts';
import type { Address, AddressPolicy } from './address.ts';
import { familyOf, parseIp } from './ip-space.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { Sign } from './signing.ts';

/** The most that is read of a reply's body. The largest reply that we have a use for, 50 consumers, is under 6 KiB. */
export const MAX_REPLY_BYTES = 65_536;

/** Tells a producer which change a call is about, so that it can refuse an older one. */
export const EPOCH_HEADER = 'X-IP-Epoch';

/** Why a call to a peer failed. Stored in health and deliveries and shown to operators; never a peer's own text. */
export type CallError =
  | 'refused' // nothing listens there
  | 'unreachable' // no route, or the network is down, or this machine has no socket left
  | 'timeout' // the absolute deadline passed
  | 'reset' // the connection broke before the reply was whole
  | 'redirect' // 3xx: never followed
  | 'status' // another status that is no success
  | 'oversized' // headers or body over their cap
  | 'malformed' // not HTTP, or its framing contradicts itself
  | 'forbidden' // the address policy refused it at dialling or once connected
  | 'aborted'; // the invocation ended

/** What one call came to. `rttMs` is from the start to the end of the exchange. */
export type CallOutcome =
  | {
      /** A complete reply, any status but 3xx. The body is at most 64 KiB and is a stranger's. */
      readonly kind: 'replied';
      readonly status: number;
      readonly body: Buffer;
      /** Retry-After in milliseconds, seconds or HTTP-date form, if there was a usable one. */
      readonly retryAfterMs?: number;
      readonly rttMs: number;
    }
  | {
      readonly kind: 'failed';
      readonly error: CallError;
      /** The status, where one arrived (a redirect, an oversized reply). */
      readonly status?: number;
      /** Whether bytes of the request may have left: then the peer may still act on it. */
      readonly mayHaveArrived: boolean;
      readonly rttMs: number;
    };

export interface PeerRequest {
  readonly address: Address;
  readonly path: '/sync' | '/ip';
  readonly body: string;
  /** Beside the fixed ones of the module. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Absolute deadline of the whole exchange, connecting included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Makes one call to a peer. Never throws, and its socket is closed when it settles. */
export type PostToPeer = (request: PeerRequest) => Promise<CallOutcome>;

/** What a call needs of the network: a fresh TCP socket that is connecting to a literal, and hands what it reads to `onread`. */
export type Connect = (target: { host: string; port: number; onread: OnReadOpts }) => Socket;

/**
 * Makes the one function that calls peers: `POST http://<ip>:<port><path>` over a connection of its own, no keep-alive,
 * no DNS, no redirect, no proxy (an explicit socket passes by `NODE_USE_ENV_PROXY` as well), nothing decompressed.
 *
 * `policy` is asked again right before dialling, and for the address that the socket reports once connected, before a
 * byte leaves. `version` is this software's, for the user agent. With `sign` every request carries its headers, and the
 * epoch that they sign is that of `EPOCH_HEADER`. Tests bring their own `connect` and `wallMs`.
 *
 * @example
 * const post = createPostToPeer({ policy, version: '1.0.0' });
 * const outcome = await post({ address, path: '/sync', body: JSON.stringify({ uuid }), timeoutMs: 3_000 });
 */
export function createPostToPeer({
  policy,
  version,
  sign,
  connect = tcpConnect,
  wallMs = Date.now,
}: {
  policy: AddressPolicy;
  version: string;
  sign?: Sign | undefined;
  connect?: Connect;
  wallMs?: () => number;
}): PostToPeer {
  const fixed = [
    'content-type',
    'application/json',
    'accept-encoding',
    'identity',
    'user-agent',
    `p2p-consumer-scheduler/${version}`,
    'connection',
    'close',
  ];

  const admits = (address: Address, { remoteAddress, remotePort }: Socket): boolean => {
    if (remoteAddress === address.ip && remotePort === address.port) return true;
    const ip = parseIp(remoteAddress);
    return ip !== undefined && remotePort !== undefined && policy.permits(ip, remotePort);
  };

  return async ({ address, path, body, headers = {}, timeoutMs, signal }) => {
    const start = performance.now();
    const { ip, port } = address;
    if (!policy.permits(ip, port)) {
      return { kind: 'failed', error: 'forbidden', mayHaveArrived: false, rttMs: 0 };
    }
    const signed = sign?.({ address, path, body, epoch: headers[EPOCH_HEADER] ?? '0' }, wallMs());
    const outcome = await exchange({
      method: 'POST',
      path,
      headers: [
        'host',
        hostHeader(address),
        ...fixed,
        ...Object.entries({ ...headers, ...signed }).flat(),
        'content-length',
        String(Buffer.byteLength(body)),
      ],
      body,
      connect: (onread) => connect({ host: ip, port, onread }),
      admit: (socket) => admits(address, socket),
      timeoutMs,
      maxBodyBytes: MAX_REPLY_BYTES,
      signal,
    });
    const rttMs = performance.now() - start;
    if (outcome.kind === 'failed') {
      const { error, status, connected } = outcome;
      return {
        kind: 'failed',
        error: callErrorOf(error),
        ...(status !== undefined && { status }),
        mayHaveArrived: connected,
        rttMs,
      };
    }
    const retryAfterMs = parseRetryAfter(outcome.retryAfter, wallMs());
    return {
      kind: 'replied',
      status: outcome.status,
      body: outcome.body,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      rttMs,
    };
  };
}

function hostHeader({ ip, port, key }: Address): string {
  if (port !== 80) return key;
  return familyOf(ip) === 6 ? `[${ip}]` : ip;
}

/** No name is resolved and no TLS is spoken here, so their classes cannot come; they would mean that no call was made. */
function callErrorOf(error: TransportError): CallError {
  return error === 'not-found' || error === 'tls' ? 'unreachable' : error;
}
