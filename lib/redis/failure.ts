import { type RedisTrouble, RedisUnavailableError } from '../errors.ts';

/** Error codes of the network that can only come before a byte of the request has left. */
const BEFORE_SENDING = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_NODATA',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** The other end speaks another protocol: plain text where TLS was meant, or no HTTP where REST was. */
const NOT_TLS =
  /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|BAD_RECORD_TYPE|HTTP_REQUEST|UNEXPECTED_MESSAGE)$/;
const NOT_HTTP = /^HPE_/;
/** The server wants a client certificate, or refuses the one it was shown. */
const WANTS_CERTIFICATE =
  /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|CERTIFICATE_(UNKNOWN|EXPIRED|REVOKED))$/;
/** The server broke the handshake off. With TLS 1.2 this is also what one without a client certificate gets. */
const REFUSES_HANDSHAKE = /_ALERT_|^ERR_SSL_(UNSUPPORTED_PROTOCOL|NO_)/;
/** Its certificate was not accepted here: the handshake failed, nothing was sent, and asking again does not help. */
const CERTIFICATE = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_|HOSTNAME_)/;
const LOCAL = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/** What a connection that could not be made, or that broke, means for the request on it. */
export function connectionFailure(
  error: unknown,
  { where, sent }: { where: string; sent?: boolean },
): RedisUnavailableError {
  const { codes, syscall } = networkCodes(error);
  const [code = ''] = codes;
  const shown = codes.length === 0 ? '' : ` (${codes.join(', ')})`;
  const fail = (trouble: RedisTrouble, passing: boolean, text: string) =>
    new RedisUnavailableError(text, { mayHaveRun: false, trouble, passing });

  if (NOT_TLS.test(code)) return fail('protocol', false, misaddressed(where, 'plain', code));
  if (NOT_HTTP.test(code)) return fail('protocol', false, misaddressed(where, 'no-http', code));
  if (WANTS_CERTIFICATE.test(code)) {
    return fail(
      'login',
      false,
      `Redis at ${where} wants another client certificate${shown}. Check REDIS_TLS_CERT and REDIS_TLS_KEY.`,
    );
  }
  if (REFUSES_HANDSHAKE.test(code)) {
    return fail(
      'protocol',
      false,
      `Redis at ${where} refused the TLS handshake${shown}: it asks for a client certificate (REDIS_TLS_CERT, ` +
        'REDIS_TLS_KEY), does not know the host of REDIS_URL, or shares no TLS version or cipher with this Node.',
    );
  }
  if (CERTIFICATE.test(code)) {
    const text = `The certificate of Redis at ${where} is not accepted${shown}. ${certificateAdvice(code)}`;
    return fail('protocol', false, text);
  }
  if (codes.some((one) => LOCAL.has(one))) {
    return fail(
      'unreachable',
      true,
      `This machine has no means left to connect to Redis at ${where}${shown}.`,
    );
  }
  if (sent === false || BEFORE_SENDING.has(code) || syscall === 'connect') {
    return fail(
      'unreachable',
      true,
      `Redis at ${where} cannot be reached${shown}. Check REDIS_URL, and that Redis is up and reachable from here.`,
    );
  }
  return new RedisUnavailableError(
    `The connection to Redis at ${where} broke before the reply was complete${shown}.`,
    { mayHaveRun: true, trouble: 'broken', passing: true },
  );
}

function certificateAdvice(code: string): string {
  if (/ALTNAME|HOSTNAME/.test(code)) return 'The host in REDIS_URL must be a name in the certificate.';
  if (/EXPIRED|NOT_YET_VALID/.test(code))
    return 'It has to be renewed there, or the clock of this machine is wrong.';
  return 'If it is signed by a CA of your own, NODE_EXTRA_CA_CERTS must name the file of that CA.';
}

export const REDIS_PORT_HINT = 'If it is a Redis port, REDIS_URL starts with redis:// or rediss://.';

/** What answers is no Redis, or not one of that scheme. */
export function misaddressed(
  where: string,
  what: 'plain' | 'tls' | 'http' | 'no-http' | 'no-redis',
  code?: string,
): string {
  const shown = code === undefined ? '' : ` (${code})`;
  switch (what) {
    case 'plain':
      return `The TLS handshake with Redis at ${where} failed${shown}. If it has no TLS, REDIS_URL starts with redis:// (or http://).`;
    case 'tls':
      return `What listens at ${where} speaks TLS. If it is a Redis, REDIS_URL starts with rediss://.`;
    case 'http':
      return `What listens at ${where} speaks HTTP. If it is a REST API, REDIS_URL starts with https:// or http://.`;
    case 'no-redis':
      return `What listens at ${where} does not speak the protocol of Redis. Check host and port in REDIS_URL.`;
    case 'no-http':
      return `What listens at ${where} does not speak HTTP${shown}. ${REDIS_PORT_HINT}`;
  }
}

/** The innermost codes: fetch wraps the socket's error, and an AggregateError holds one for each address that was tried. */
function networkCodes(error: unknown): { codes: readonly string[]; syscall?: unknown } {
  if (!(error instanceof Error)) return { codes: [] };
  if (error.cause instanceof Error) return networkCodes(error.cause);
  if (error instanceof AggregateError && error.errors.length > 0) {
    return {
      codes: [...new Set(error.errors.flatMap((one) => networkCodes(one).codes))],
      syscall: 'connect',
    };
  }
  if (!('code' in error) || typeof error.code !== 'string') return { codes: [] };
  return { codes: [error.code], syscall: 'syscall' in error ? error.syscall : undefined };
}
