import { type OnReadOpts, type Socket, connect as tcpConnect } from 'node:net';
import { exchange } from '../http/exchange.ts';
import type { Outcome } from '../http/outcome.ts';
import { USER_AGENT } from '../version.ts';
import type { Address, AddressPolicy } from './address.ts';
import { familyOf, type Ip, localAddressFor, parseIp } from './ip-space.ts';
import type { Sign } from './signing.ts';

/** The most that is read of a reply's body. The largest reply that we have a use for, 50 consumers, is under 6 KiB. */
export const MAX_REPLY_BYTES = 65_536;

/** Tells a producer which change a call is about, so that it can refuse an older one. */
export const EPOCH_HEADER = 'X-IP-Epoch';

export interface PeerRequest {
  readonly address: Address;
  readonly path: '/sync' | '/ip';
  readonly body: string;
  /** Beside the fixed ones of the module. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Absolute deadline of the whole exchange, connecting included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /**
   * Whether the request may still start. Asked before connecting and again right before the first byte leaves, because a
   * machine may sleep in between. If not, the call fails as `aborted` and has not arrived.
   */
  readonly mayStart?: () => boolean;
}

/** Makes one call to a peer. Never throws, and its socket is closed when it settles. */
export type PostToPeer = (request: PeerRequest) => Promise<Outcome>;

/** What a call needs of the network: a fresh TCP socket that is connecting to a literal. It hands what it reads to `onread`. */
export type Connect = (target: {
  host: string;
  port: number;
  localAddress: string | undefined;
  onread: OnReadOpts;
}) => Socket;

/**
 * Makes the one function that calls peers: `POST http://<ip>:<port><path>` over a connection of its own, no keep-alive,
 * no DNS, no redirect, no proxy (an explicit socket passes by `NODE_USE_ENV_PROXY` as well), nothing decompressed.
 *
 * `policy` is asked again right before dialling, and for the address that the socket reports once connected, before a
 * byte leaves. With `sign` every request carries its headers, and the
 * epoch that they sign is that of `EPOCH_HEADER`. Peers of its family are dialled from `bindAddress`. Tests bring their own `connect` and `wallMs`.
 *
 * @example
 * const post = createPostToPeer({ policy });
 * const outcome = await post({ address, path: '/sync', body: JSON.stringify({ uuid }), timeoutMs: 3_000 });
 */
export function createPostToPeer({
  policy,
  sign,
  bindAddress,
  connect = tcpConnect,
  wallMs = Date.now,
}: {
  policy: AddressPolicy;
  sign?: Sign | undefined;
  bindAddress?: Ip | undefined;
  connect?: Connect;
  wallMs?: () => number;
}): PostToPeer {
  const fixed = [
    'content-type: application/json',
    'accept-encoding: identity',
    `user-agent: ${USER_AGENT}`,
    'connection: close',
  ];

  const admits = (address: Address, { remoteAddress, remotePort }: Socket): boolean => {
    if (remoteAddress === address.ip && remotePort === address.port) return true;
    const ip = parseIp(remoteAddress);
    return ip !== undefined && remotePort !== undefined && policy.permits(ip, remotePort);
  };

  const refusal = (error: 'forbidden' | 'aborted'): Outcome => ({
    kind: 'failed',
    error,
    mayHaveArrived: false,
    rttMs: 0,
  });

  return async ({ address, path, body, headers, timeoutMs, signal, mayStart = () => true }) => {
    const { ip, port } = address;
    if (!policy.permits(ip, port)) return refusal('forbidden');
    if (!mayStart()) return refusal('aborted');
    const signed = sign?.({ address, path, body, epoch: headers?.[EPOCH_HEADER] ?? '0' }, wallMs());
    return exchange({
      method: 'POST',
      path,
      headers: [`host: ${hostHeader(address)}`, ...fixed, ...linesOf(headers), ...linesOf(signed)],
      body,
      connect: (onread) =>
        connect({ host: ip, port, localAddress: localAddressFor(familyOf(ip), bindAddress), onread }),
      admit: (socket) => {
        if (!admits(address, socket)) return 'forbidden';
        return mayStart() ? undefined : 'aborted';
      },
      timeoutMs,
      maxBodyBytes: MAX_REPLY_BYTES,
      signal,
      wallMs,
    });
  };
}

function linesOf(headers: Readonly<Record<string, string>> | undefined): string[] {
  return headers === undefined ? [] : Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
}

function hostHeader({ ip, port, key }: Address): string {
  if (port !== 80) return key;
  return familyOf(ip) === 6 ? `[${ip}]` : ip;
}
