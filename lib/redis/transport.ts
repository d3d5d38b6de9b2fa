import type { Reply } from './redis.ts';

/** A command as it goes over the wire. */
export type WireCommand = readonly string[];

/** What one command of a pipeline came to: Redis's reply, or the text of its error. */
export type Slot = { readonly reply: Reply } | { readonly error: string };

/** A client certificate and its private key, in PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** One way to carry a pipeline to Redis, without retries. */
export interface Transport {
  /**
   * Carries out the commands in order in one round trip, and ends when the signal aborts.
   *
   * @throws TransportError if not every command got an answer.
   */
  pipeline(commands: readonly WireCommand[], signal: AbortSignal): Promise<Slot[]>;
  close(): Promise<void>;
}

/** Why a pipeline got no complete answer. Its message carries no credential, command, value or byte of a reply. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  /** False only when it is certain that no command was carried out. */
  readonly mayHaveRun: boolean;
  /** Whether the same request may get through a little later. */
  readonly passing: boolean;
  constructor(message: string, options: { mayHaveRun: boolean; passing: boolean }) {
    super(message);
    this.mayHaveRun = options.mayHaveRun;
    this.passing = options.passing;
  }
}

/**
 * Cuts what a client library (`, command was: …`) or Redis itself (`, with args beginning with: …`) appends of the
 * command and its values to an error's text. Texts that scripts and callers match on, NOSCRIPT above all, stay verbatim.
 */
export function cutCommand(text: string): string {
  return text.split(/, command was:|,? with args beginning with:/, 1)[0] ?? '';
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

/** Certificate faults: the handshake failed, nothing was sent, and asking again does not help. */
const CERTIFICATE = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_|ERR_SSL_)/;

/** What a failed connection, or a connection that broke, means for the request on it. */
export function networkError(error: unknown, where: string): TransportError {
  const { code, syscall } = networkCode(error);
  const certificate = CERTIFICATE.test(code);
  const unsent = certificate || BEFORE_SENDING.has(code) || syscall === 'connect';
  return new TransportError(
    unsent
      ? `Redis at ${where} cannot be reached (${code}). Check REDIS_URL, and that Redis is up and reachable from here.`
      : `The connection to Redis at ${where} broke before the reply was complete${code === '' ? '' : ` (${code})`}.`,
    { mayHaveRun: !unsent, passing: !certificate },
  );
}

/** The innermost code: fetch wraps the socket's error, and an AggregateError holds one for each address tried. */
function networkCode(error: unknown): { code: string; syscall?: unknown } {
  if (!(error instanceof Error)) return { code: '' };
  if (error.cause instanceof Error) return networkCode(error.cause);
  if ('code' in error && typeof error.code === 'string') {
    return { code: error.code, syscall: 'syscall' in error ? error.syscall : undefined };
  }
  return { code: '' };
}
