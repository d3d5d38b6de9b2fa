/** A command for the Redis behind. An argument that came as a raw body stays bytes. */
export type FaceCommand = readonly [name: string, ...args: (string | Buffer)[]];

/** A request that the REST face refuses, with its status. The message is for the caller. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const UNAVAILABLE = new Set(
  (
    'AUTH HELLO SELECT QUIT RESET SHUTDOWN MONITOR SYNC PSYNC REPLICAOF SLAVEOF WAIT WAITAOF CLIENT ' +
    'SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE MULTI EXEC DISCARD WATCH UNWATCH ' +
    'BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP BZPOPMIN BZPOPMAX BZMPOP'
  ).split(' '),
);

/**
 * Why a command is not served over REST, if it is not: it would change the state of the connection that all callers share,
 * or wait on it, which would hold up everybody.
 */
export function refusalOf([name, ...args]: FaceCommand): string | undefined {
  if (UNAVAILABLE.has(name)) return `ERR Command is not available: '${name}'`;
  if (!BLOCKING.has(name)) return undefined;
  // After STREAMS come keys, and one may be called so.
  const words = args.map((arg) => String(arg).toUpperCase());
  const streams = words.indexOf('STREAMS');
  const options = streams < 0 ? words : words.slice(0, streams);
  return options.includes('BLOCK') ? `ERR ${name} with BLOCK is not available over REST` : undefined;
}

/** The command that the body of `POST /` holds, a JSON array. */
export function commandOf(body: Buffer): FaceCommand {
  return toCommand(parse(body));
}

/** The commands that the body of `POST /pipeline` or `/multi-exec` holds, a JSON array of arrays. */
export function commandsOf(body: Buffer): FaceCommand[] {
  const parsed = parse(body);
  if (!Array.isArray(parsed) || parsed.length === 0) {
    throw new RequestError(400, 'ERR the body must be a JSON array of commands, each an array');
  }
  return parsed.map(toCommand);
}

/** Commands with an option BLOCK. */
const BLOCKING = new Set(['XREAD', 'XREADGROUP']);

/** The command of `/<command>/<arg>/…`: the path, then the body if there is one, then the query's options. */
export function pathCommand(url: URL, body: Buffer): FaceCommand {
  let path: string[];
  try {
    path = url.pathname.slice(1).split('/').map(decodeURIComponent);
  } catch {
    throw new RequestError(400, 'ERR the path is not percent-encoded correctly');
  }
  const [name = '', ...args] = path;
  const options = [...url.searchParams]
    .filter(([option]) => option !== '_token')
    .flatMap(([option, value]) => (value === '' ? [option] : [option, value]));
  return named([name, ...args, ...(body.length > 0 ? [body] : []), ...options]);
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new RequestError(400, 'ERR the body is not JSON');
  }
}

function toCommand(parsed: unknown): FaceCommand {
  const isWord = (word: unknown) => ['string', 'number', 'boolean'].includes(typeof word);
  if (!Array.isArray(parsed) || parsed.length === 0 || !parsed.every(isWord)) {
    throw new RequestError(
      400,
      'ERR a command must be a JSON array of strings and numbers that is not empty',
    );
  }
  const [name, ...args] = parsed.map(String);
  return named([name ?? '', ...args]);
}

function named(command: FaceCommand): FaceCommand {
  const [name, ...args] = command;
  if (name === '') throw new RequestError(400, 'ERR empty command');
  return [name.toUpperCase(), ...args];
}
