import type { Address } from './address.ts';

/** Why a call to a peer failed. Stored in health and deliveries and shown to operators; never a peer's own text. */
export type CallError =
  | 'refused' // nothing listens there
  | 'unreachable' // no route, or the network is down
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
