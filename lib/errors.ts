/**
 * Every error that a caller may want to tell apart. Callers branch on the class, never on the text; no
 * message carries a secret, a Redis value or a byte of a peer's reply.
 */

/**
 * Thrown by `loadConfig`. `faults` holds one line for each bad variable; the message lists them all, and tells from `origin`
 * which file was read and how many variables it gave.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly string[];
  readonly origin: string | undefined;
  constructor(faults: readonly string[], origin?: string) {
    const lines = faults.map((fault) => `\n  - ${fault}`).join('');
    super(
      `The configuration is not usable:${lines}${origin === undefined ? '' : `\nIt was read from ${origin}.`}`,
    );
    this.faults = faults;
    this.origin = origin;
  }
}

/** Thrown when Redis belongs to another consumer: its `uuid` key differs from `LOCAL_UUID`. Nothing was written. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
}

/** Thrown when an event or payload does not match its schema. Running it again cannot help. */
export class EventError extends Error {
  override readonly name = 'EventError';
}

/**
 * Thrown when Redis could not be asked, or its reply did not arrive whole. `cause` is the client library's error.
 * `mayHaveRun` is false only when it is certain that no command of the request was carried out.
 */
export class RedisUnavailableError extends Error {
  override readonly name = 'RedisUnavailableError';
  readonly mayHaveRun: boolean;
  constructor(message: string, options: { mayHaveRun: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.mayHaveRun = options.mayHaveRun;
  }
}

/**
 * An error that Redis itself answered to one command. `code` is the reply's first word (`WRONGTYPE`, `NOSCRIPT`,
 * `OOM`, `ERR`, …); the message is Redis's, cut before any command or value that a client library appended.
 */
export class RedisReplyError extends Error {
  override readonly name = 'RedisReplyError';
  readonly code: string;
  constructor(message: string) {
    super(message);
    this.code = /^[A-Z]+/.exec(message)?.[0] ?? 'ERR';
  }
}
