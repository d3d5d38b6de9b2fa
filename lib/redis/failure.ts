import { RedisReplyError, type RedisTrouble, RedisUnavailableError } from '../errors.ts';
import { cutCommand, type Slot, type WireCommand } from './transport.ts';

/** What Redis says where it carried out nothing, and what an operator does about it. */
interface Refusal {
  readonly trouble: RedisTrouble;
  /** Whether the same request may get through a moment later. */
  readonly passing: boolean;
  readonly advice: string;
}

/** By the first word of Redis's error. None of these comes from a command, or a script, that has written something. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  LOADING: {
    trouble: 'busy',
    passing: true,
    advice: 'It reads its data from disk and serves when it has finished.',
  },
  BUSY: {
    trouble: 'busy',
    passing: true,
    advice: 'A script keeps it busy; SCRIPT KILL ends one that wrote nothing.',
  },
  MAXCLIENTS: {
    trouble: 'busy',
    passing: true,
    advice: 'Close connections of other programs, or raise maxclients.',
  },
  READONLY: {
    trouble: 'replica',
    passing: true,
    advice: 'It is a replica: REDIS_URL must name the primary, or a name that follows it.',
  },
  MASTERDOWN: {
    trouble: 'replica',
    passing: true,
    advice:
      'It is a replica that has lost its primary: REDIS_URL must name the primary, or a name that follows it.',
  },
  CLUSTERDOWN: { trouble: 'cluster', passing: true, advice: 'Look at CLUSTER INFO there.' },
  TRYAGAIN: { trouble: 'cluster', passing: true, advice: 'The cluster moves the keys to another node.' },
  MOVED: {
    trouble: 'cluster',
    passing: true,
    advice:
      'It is one node of a Redis Cluster and the keys are on another. A cluster of several nodes is not supported: ' +
      'give REDIS_URL a Redis that holds all keys.',
  },
  ASK: { trouble: 'cluster', passing: true, advice: 'The cluster moves the keys to another node.' },
  CROSSSLOT: {
    trouble: 'cluster',
    passing: false,
    advice:
      'It is a Redis Cluster: REDIS_PREFIX needs braces, as in {p2p}:, so that all keys are in one slot.',
  },
  OOM: {
    trouble: 'no-writes',
    passing: true,
    advice: 'Give it more memory (maxmemory), or find out what fills it: redis-cli --bigkeys.',
  },
  MISCONF: {
    trouble: 'no-writes',
    passing: true,
    advice: 'It cannot save to its disk; most often that is full. Its log tells more.',
  },
  NOREPLICAS: {
    trouble: 'no-writes',
    passing: true,
    advice: 'Start its replicas, or lower min-replicas-to-write.',
  },
  LIMIT: {
    trouble: 'busy',
    passing: false,
    advice: 'What its plan allows is used up: see its console.',
  },
  NOAUTH: {
    trouble: 'login',
    passing: false,
    advice: 'REDIS_URL must carry the password of that Redis.',
  },
  WRONGPASS: { trouble: 'login', passing: false, advice: 'Check user and password in REDIS_URL.' },
  DENIED: {
    trouble: 'login',
    passing: false,
    advice:
      'Set a password on that Redis and in REDIS_URL, or bind it to the interface that is meant to be used.',
  },
};

/** Commands that change nothing, as far as they share a request with others: their having run does not matter. */
const READS = new Set([
  'TIME',
  'PING',
  'GET',
  'HGET',
  'HMGET',
  'HGETALL',
  'HLEN',
  'HSCAN',
  'ZCOUNT',
  'PTTL',
  'INFO',
]);

/**
 * Has a request fail as a whole where Redis refused one of its commands because it does not serve here or now: the others,
 * TIME above all, may be served in such a state.
 *
 * @throws RedisUnavailableError with Redis's words, the cause and what to do.
 */
export function refuseUnserved(
  slots: readonly Slot[],
  commands: readonly WireCommand[],
  where: string,
): void {
  const refused = slots.find((slot) => 'error' in slot && refusalOf(slot.error) !== undefined);
  if (refused === undefined || !('error' in refused)) return;
  const mayHaveRun = slots.some(
    (slot, index) => !('error' in slot && refusalOf(slot.error)) && !READS.has(commands[index]?.[0] ?? ''),
  );
  throw refusal(refused.error, where, { mayHaveRun });
}

/** The error of a request that Redis refused with these words. */
export function refusal(text: string, where: string, { mayHaveRun = false } = {}): RedisUnavailableError {
  const {
    trouble = 'login',
    passing = false,
    advice = 'Check user, password and database in REDIS_URL.',
  }: Partial<Refusal> = refusalOf(text) ?? {};
  const verb = trouble === 'login' ? 'refused the login' : 'does not serve';
  return new RedisUnavailableError(`Redis at ${where} ${verb}: ${firstSentence(text)}. ${advice}`, {
    mayHaveRun,
    trouble,
    passing,
  });
}

function refusalOf(text: string): Refusal | undefined {
  if (/^ERR max number of clients/.test(text)) return REFUSALS.MAXCLIENTS;
  if (/^ERR max (daily )?requests? (size|limit)/.test(text)) return REFUSALS.LIMIT;
  return REFUSALS[new RedisReplyError(plainWords(text)).code];
}

/** A command that is long for somebody who has not logged in is refused in other words. */
function plainWords(text: string): string {
  return text.startsWith('ERR Protocol error: unauthenticated') ? 'NOAUTH Authentication required.' : text;
}

const MAX_TEXT_LENGTH = 160;

/** Enough of Redis's words: its text about protected mode is a page. */
function firstSentence(text: string): string {
  const [sentence = ''] = cutCommand(new RedisReplyError(plainWords(text)).message).split(
    /\.(?:\s|$)|[\r\n]/,
    1,
  );
  return sentence.slice(0, MAX_TEXT_LENGTH);
}

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
