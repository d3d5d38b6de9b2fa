/** Every reason why an exchange brought no whole reply. Stored and shown to operators; never a stranger's own text. */
export const FAILURES = [
  'local', // this machine could not do it: no descriptor, buffer or address left, or its own firewall said no
  'unreachable', // no route: this machine says it, or a router on the way
  'refused', // nothing listens there
  'not-found', // the name has no address of the wanted family
  'tls', // no trusted, encrypted connection came about
  'timeout', // the absolute deadline passed
  'reset', // the connection broke before the reply was whole
  'redirect', // 3xx: never followed
  'oversized', // headers or body over their cap
  'malformed', // not HTTP, or its framing contradicts itself
  'forbidden', // the address policy refused it, at dialling or once connected
  'aborted', // the caller ended it, or no longer allowed it to start
] as const;

export type Failure = (typeof FAILURES)[number];

/** What one exchange came to. `rttMs` is from its start to its end. */
export type Outcome =
  | {
      /** A whole reply, any status from 200 to 599 but 3xx. The body is bounded and was written by a stranger. */
      readonly kind: 'replied';
      readonly status: number;
      readonly body: Buffer;
      /** Retry-After in milliseconds, if there was a usable one. */
      readonly retryAfterMs?: number;
      readonly rttMs: number;
    }
  | {
      readonly kind: 'failed';
      readonly error: Failure;
      /** The status, where one arrived (a redirect, an oversized reply). */
      readonly status?: number;
      /** Whether bytes of the request may have left: then the other side may still act on it. */
      readonly mayHaveArrived: boolean;
      readonly rttMs: number;
    };

/**
 * Errors by the `code` of Node's error. A code that is not here is decided by its prefix, then by whether the connection
 * stood. ENETUNREACH and EHOSTUNREACH are no local trouble: a far router can cause them as well.
 */
const BY_CODE: Readonly<Record<string, Failure>> = {
  EMFILE: 'local',
  ENFILE: 'local',
  ENOBUFS: 'local',
  ENOMEM: 'local',
  EADDRNOTAVAIL: 'local',
  EADDRINUSE: 'local',
  ENETDOWN: 'local',
  EPERM: 'local',
  EACCES: 'local',
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'timeout',
  ERR_SOCKET_CONNECTION_TIMEOUT: 'timeout',
  ENOTFOUND: 'not-found',
  EAI_AGAIN: 'not-found',
  EAI_NODATA: 'not-found',
  EAI_ADDRFAMILY: 'not-found',
  EPROTO: 'tls',
};

/** OpenSSL's names of verification failures: `CERT_HAS_EXPIRED`, `DEPTH_ZERO_SELF_SIGNED_CERT`, … */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_)/;

/** The class of an error that a socket raised. `connected` is whether the TCP connection stood by then. */
export function failureOf(error: unknown, connected: boolean): Failure {
  const first = firstOf(error);
  const code = codeOf(first);
  if (code === 'EACCES' && isIpv6(first)) return 'unreachable';
  const known = BY_CODE[code];
  if (known !== undefined) return known;
  if (TLS_CODE.test(code)) return 'tls';
  return connected ? 'reset' : 'unreachable';
}

/** Several addresses of a name were tried (happy eyeballs): the first failure speaks for all. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? firstOf(error.errors[0]) : error;
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Linux reports a far router's ICMPv6 "administratively prohibited" as EACCES: over IPv6 a stranger can cause it. */
function isIpv6(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('address' in error)) return false;
  return typeof error.address === 'string' && error.address.includes(':');
}
