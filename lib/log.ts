import type { Config } from './config.ts';
import type { Log, LogFields } from './host.ts';
import { percentDecoded } from './redis/url.ts';

/** What is left of an error in a log line: nothing that a client library hung onto it. */
export interface ErrorDescription {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  /** Where it was thrown, without the message that a stack begins with. */
  readonly frames?: readonly string[];
  readonly cause?: ErrorDescription;
}

/** Removes what must not be seen from a text. */
export type Scrub = (text: string) => string;

/** Causes deeper than this say nothing that an operator can use. */
const MAX_CAUSES = 3;
const MAX_FRAMES = 8;
const MAX_MESSAGE = 1_000;
const MAX_DEPTH = 5;
/** A shorter secret would blot out ordinary words, and is none. */
const MIN_SECRET = 6;

/** The parts of a configuration that hold secrets. */
interface Secretive {
  readonly redis: Pick<Config['redis'], 'url' | 'token'>;
  readonly signing: Config['signing'];
  readonly host: Pick<Config['host'], 'page' | 'heartbeatUrl' | 'alertUrl'>;
}

/**
 * What `config` holds that nobody may see: the REST token, the password of a `redis://` URL, encoded and plain, the
 * signing keys, with and without their prefix, the page's token, and what follows the host in the URLs of heartbeat and
 * alerts (most services have their token there).
 */
export function secretsOf({ redis, signing, host }: Secretive): readonly string[] {
  const { password } = new URL(redis.url);
  const keys = signing.keys.flatMap(({ text }) => [text, text.replace(/^[^_]*_/, '')]);
  const paths = [host.heartbeatUrl, host.alertUrl].map((url) => (url ? `${url.pathname}${url.search}` : ''));
  const page = host.page?.token ?? '';
  return [redis.token ?? '', password, percentDecoded(password) ?? '', ...keys, page, ...paths].filter(
    (secret) => secret.length >= MIN_SECRET,
  );
}

/**
 * Cuts the command that `@upstash/redis` appends to its errors (with every value of it), the credentials of any URL,
 * and each of `secrets`, wherever it stands.
 */
export function createScrub(secrets: Iterable<string>): Scrub {
  return (text) => {
    let clean = text.replace(/, command was:[\s\S]*$/, '').replace(/\/\/[^/@\s]*@/g, '//***@');
    for (const secret of secrets) clean = clean.replaceAll(secret, '***');
    return clean.length > MAX_MESSAGE ? `${clean.slice(0, MAX_MESSAGE)}…` : clean;
  };
}

/** Renders anything that was thrown as data: class, message, code, frames and the first causes. */
export function describeError(thrown: unknown, scrub: Scrub, depth = 0): ErrorDescription {
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: scrub(String(thrown)) };
  const code: unknown = 'code' in thrown ? thrown.code : undefined;
  return {
    name: thrown.name,
    message: scrub(thrown.message),
    ...(typeof code === 'string' && { code: scrub(code) }),
    ...(depth === 0 && { frames: framesOf(thrown) }),
    ...(thrown.cause !== undefined &&
      depth < MAX_CAUSES && { cause: describeError(thrown.cause, scrub, depth + 1) }),
  };
}

/**
 * An error with the same class name and message and nothing else. What leaves a handler is printed by the Lambda
 * runtime with every property and repeated in the failure queue's record.
 */
export function withoutDetails(thrown: unknown, scrub: Scrub): Error {
  const { name, message } = describeError(thrown, scrub);
  const error = new Error(message);
  error.name = name;
  error.stack = [`${name}: ${message}`, ...(thrown instanceof Error ? framesOf(thrown) : [])].join('\n');
  return error;
}

/** What writes the lines. Without fields it gets an empty object. */
export type LineWriter = Readonly<
  Record<'debug' | 'info' | 'warn' | 'error', (message: string, fields: Record<string, unknown>) => void>
>;

/**
 * The jobs' log over a writer of lines. Errors among the fields are described, texts scrubbed.
 *
 * @param always fields that every line gets, asked for each.
 */
export function createLog(writer: LineWriter, scrub: Scrub, always: () => LogFields = () => ({})): Log {
  const line = (fields: LogFields = {}) =>
    Object.fromEntries(
      Object.entries({ ...always(), ...fields }).map(([name, value]) => [name, clean(value, scrub)]),
    );
  return {
    debug: (message, fields) => writer.debug(scrub(message), line(fields)),
    info: (message, fields) => writer.info(scrub(message), line(fields)),
    warn: (message, fields) => writer.warn(scrub(message), line(fields)),
    error: (message, fields) => writer.error(scrub(message), line(fields)),
  };
}

function clean(value: unknown, scrub: Scrub, depth = 0): unknown {
  if (typeof value === 'string') return scrub(value);
  if (value instanceof Error) return describeError(value, scrub);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return '…';
  if (Array.isArray(value)) return value.map((entry) => clean(entry, scrub, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [name, clean(entry, scrub, depth + 1)]),
  );
}

/** Frames start at the first line of the form `    at …`; what stands before may be a message of several lines. */
function framesOf({ stack }: Error): readonly string[] {
  return (stack?.split('\n') ?? [])
    .filter((line) => /^ {4}at /.test(line))
    .slice(0, MAX_FRAMES)
    .map((line) => line.trim());
}
