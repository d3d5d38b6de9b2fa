/** Why an exchange did not bring a whole reply. */
export type TransportError =
  | 'refused'
  | 'unreachable'
  | 'not-found' // the name has no address of the wanted family
  | 'tls' // no trusted, encrypted connection came about
  | 'timeout'
  | 'reset'
  | 'redirect'
  | 'oversized'
  | 'malformed'
  | 'forbidden'
  | 'aborted';

/** By the `code` of Node's error. What is not here falls to its prefix, then to whether a connection stood. */
const BY_CODE: Readonly<Record<string, TransportError>> = {
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

/** The class of an error that a socket raised; `connected` is whether the TCP connection stood by then. */
export function transportErrorOf(error: unknown, connected: boolean): TransportError {
  const code = codeOf(error);
  const known = BY_CODE[code];
  if (known !== undefined) return known;
  if (TLS_CODE.test(code)) return 'tls';
  return connected ? 'reset' : 'unreachable';
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  // Several addresses were tried (happy eyeballs): the first failure speaks for all.
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
