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
 * Why Redis could not be used:
 *
 * - `unreachable`: no connection could be made;
 * - `protocol`: what answers there is no Redis, or not one of the URL's scheme, or its certificate is not accepted;
 * - `login`: user, password, token, database or client certificate were refused;
 * - `busy`: it serves nobody at present: it loads its data, runs a script, has too many clients, limits requests;
 * - `replica`: it is a replica, which takes no writes;
 * - `no-writes`: it takes none at present: its memory is full, its disk fails, or its replicas are missing;
 * - `cluster`: it is a node of a cluster that does not have our keys, or has no cluster around it;
 * - `silent`: it did not answer in time;
 * - `broken`: the connection broke before the reply was complete;
 * - `ended`: the run ended, or the client was closed, before Redis was asked.
 */
export type RedisTrouble =
  | 'unreachable'
  | 'protocol'
  | 'login'
  | 'busy'
  | 'replica'
  | 'no-writes'
  | 'cluster'
  | 'silent'
  | 'broken'
  | 'ended';

/**
 * Thrown when Redis could not be asked, did not serve, or its reply did not arrive whole. The message tells the cause and
 * what to do; it carries no credential, command or value.
 */
export class RedisUnavailableError extends Error {
  override readonly name = 'RedisUnavailableError';
  readonly trouble: RedisTrouble;
  /** False only when it is certain that no command of the request has changed anything. */
  readonly mayHaveRun: boolean;
  /** Whether the same request may get through a little later without anybody's doing. */
  readonly passing: boolean;
  constructor(
    message: string,
    options: { mayHaveRun: boolean; trouble?: RedisTrouble; passing?: boolean; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.mayHaveRun = options.mayHaveRun;
    this.trouble = options.trouble ?? 'broken';
    this.passing = options.passing ?? true;
  }
}

/**
 * An error that Redis itself answered to one command. `code` is the reply's first word (`WRONGTYPE`, `NOSCRIPT`,
 * `OOM`, `ERR`, …); the message is Redis's, cut before any command or value that a client library appended. What a command
 * inside a script answered is taken out of what Redis wraps around it. A missing right is followed by what to do.
 */
export class RedisReplyError extends Error {
  override readonly name = 'RedisReplyError';
  readonly code: string;
  constructor(message: string) {
    super(
      withAdvice(
        message
          .replace(SCRIPT_WRAPPING, '')
          .replace(RAISED_AGAIN, '')
          .replace(NO_RIGHT, 'NOPERM $1')
          .replace(IN_SCRIPT, ''),
      ),
    );
    this.code = /^[A-Z]+/.exec(this.message)?.[0] ?? 'ERR';
  }
}

/** `ERR Error running script (call to f_3a…): @user_script:2: WRONGTYPE …`, as Redis 6 writes it. */
const SCRIPT_WRAPPING = /^ERR Error running script \(call to \w+\): (?:@\w+: ?\d+: )+-?(?=[A-Z]+ )/;

/** `ERR READONLY …`: Redis 7 and later put `ERR` before an error that a script has caught and raised again. */
const RAISED_AGAIN =
  /^ERR (?=(?:READONLY|OOM|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|CROSSSLOT|MOVED|ASK|TRYAGAIN|LOADING|BUSY|NOPERM|WRONGTYPE) )/;

/**
 * Redis before 7.2 has no code for a command that the user may not run in a script. A script of ours has put its key in
 * front.
 */
const NO_RIGHT = /^(?:ERR )+((?:\S+: )?The user executing the script can't run)/;

/** ` script: 3a…, on @user_script:26.`, which Redis 7 and later put behind a script's error. */
const IN_SCRIPT = / script: [0-9a-f]+, on @user_script:\d+\.$/;

/** What an operator does about a right that is missing: whoever reads the log may not know that Redis has users. */
const RIGHTS_ADVICE = 'Give the Redis user the rights that docs/REDIS.md lists';

function withAdvice(text: string): string {
  if (!text.startsWith('NOPERM ') || text.endsWith(RIGHTS_ADVICE)) return text;
  return `${text.replace(/\.$/, '')}. ${RIGHTS_ADVICE}`;
}
