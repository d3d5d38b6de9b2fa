import type { Failure } from './outcome.ts';

/** Status line and headers of one reply, and all interim (1xx) ones before it. */
export const MAX_HEADER_BYTES = 16_384;

/** What the bytes of a connection come to, once that is certain. */
export type Parsed =
  | {
      /** A whole reply, any status from 200 to 599 but 3xx. */
      readonly kind: 'replied';
      readonly status: number;
      readonly body: Buffer;
      readonly retryAfter: string | undefined;
    }
  | { readonly kind: 'failed'; readonly error: Failure; readonly status?: number };

/** Reads one reply from the bytes of a connection that is used for nothing else. */
export interface ReplyParser {
  /** Takes the next bytes. Undefined while more are needed; after an answer nothing may be pushed any more. */
  push(bytes: Buffer): Parsed | undefined;
  /** The other side has sent its last byte. */
  end(): Parsed;
}

/** Reads on in one part of a reply. Undefined once that part is done; what comes after it is then the next step. */
type Step = () => Parsed | 'wait' | undefined;

/**
 * An HTTP/1.1 reply (RFC 9112) in its strict form: what is framed in two ways or in a doubtful one is `malformed`, where
 * a tolerant reader and a strict one could see different replies. So a line ends with CR LF, a header is not folded, there
 * is one Content-Length or one `chunked` and never both, and nothing precedes the status line. Interim replies are passed
 * over, redirects and bodies over `maxBodyBytes` are refused as soon as the headers say so, and what follows the reply is
 * not looked at. It holds at most `MAX_HEADER_BYTES` of head and trailers, twice `maxBodyBytes` of framed body, and what
 * one `push` brought.
 */
export function createReplyParser(maxBodyBytes: number): ReplyParser {
  let unread: Buffer = NOTHING;
  /** Bytes of `unread` that hold no line end. */
  let searched = 0;
  const lineBytes = { head: 0, framing: 0 };
  let minorVersion = '1';
  let status = 0;
  /** Those that matter here, by their names in lower case. */
  let fields = new Map<string, string>();
  /** Of the body with a known length, or of a chunk. */
  let missing = 0;
  let bodyBytes = 0;
  const body: Buffer[] = [];

  const failed = (error: Failure): Parsed => ({
    kind: 'failed',
    error,
    ...(status !== 0 && { status }),
  });
  const replied = (): Parsed => ({
    kind: 'replied',
    status,
    body: body.length === 1 && body[0] !== undefined ? body[0] : Buffer.concat(body, bodyBytes),
    retryAfter: fields.get('retry-after'),
  });

  /** A step that reads a line. With their ends its lines have at most `limit` bytes together with all of the same `part`. */
  const onLine =
    (part: 'head' | 'framing', limit: number, read: (line: string) => ReturnType<Step>): Step =>
    () => {
      const end = unread.indexOf(LF, searched);
      const most = limit - lineBytes[part];
      if ((end < 0 ? unread.length : end + 1) > most) return failed('oversized');
      if (end < 0) {
        searched = unread.length;
        return 'wait';
      }
      if (end === 0 || unread[end - 1] !== CR) return failed('malformed');
      const line = unread.toString('latin1', 0, end - 1);
      unread = unread.subarray(end + 1);
      searched = 0;
      lineBytes[part] += end + 1;
      return read(line);
    };

  const onHeadLine = (read: (line: string) => ReturnType<Step>) => onLine('head', MAX_HEADER_BYTES, read);
  /** Sizes, extensions and line ends of chunks may cost as much as the body: tiny chunks are a flood too. */
  const onFramingLine = (read: (line: string) => ReturnType<Step>) => onLine('framing', maxBodyBytes, read);

  const takeBody = (most: number): number => {
    const taken = unread.subarray(0, most);
    if (taken.length > 0) body.push(taken);
    bodyBytes += taken.length;
    unread = unread.subarray(taken.length);
    return taken.length;
  };

  const readStatusLine: Step = () =>
    // Whoever does not speak HTTP is not waited for until the deadline.
    PREFIX.startsWith(unread.toString('latin1', 0, PREFIX.length)) ? takeStatusLine() : failed('malformed');

  const takeStatusLine = onHeadLine((line) => {
    const [, minor, code] = STATUS_LINE.exec(line) ?? [];
    if (minor === undefined) return failed('malformed');
    minorVersion = minor;
    status = Number(code);
    step = readHeader;
    return undefined;
  });

  const readHeader = onHeadLine((line) => {
    if (line === '') return endHeaders();
    if (!HEADER.test(line)) return failed('malformed');
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (!FIELDS.includes(name)) return undefined;
    if (fields.has(name)) return name === 'retry-after' ? undefined : failed('malformed');
    fields.set(name, withoutBlanks(line, colon + 1));
    return undefined;
  });

  /** Decides by the whole head how the body is framed, RFC 9112 section 6.3. */
  const endHeaders: Step = () => {
    const length = fields.get('content-length');
    const coding = fields.get('transfer-encoding')?.toLowerCase();
    const doubtful =
      (length !== undefined && !LENGTH.test(length)) ||
      (coding !== undefined && (coding !== 'chunked' || minorVersion === '0' || length !== undefined));
    if (doubtful || status === 101 || status > 599) return failed('malformed');
    if (status < 200) {
      if (length !== undefined || coding !== undefined) return failed('malformed');
      status = 0;
      fields = new Map();
      step = readStatusLine;
      return undefined;
    }
    if (status >= 300 && status < 400) return failed('redirect');
    if (status === 204) return replied();
    if (coding !== undefined) {
      step = readChunkSize;
    } else if (length !== undefined) {
      missing = Number(length);
      if (missing > maxBodyBytes) return failed('oversized');
      step = readLength;
    } else {
      step = readUntilClose;
    }
    return undefined;
  };

  const readLength: Step = () => {
    missing -= takeBody(missing);
    return missing === 0 ? replied() : 'wait';
  };

  const readUntilClose: Step = () => {
    takeBody(unread.length);
    return bodyBytes > maxBodyBytes ? failed('oversized') : 'wait';
  };

  const readChunkSize = onFramingLine((line) => {
    const [, size] = CHUNK_SIZE.exec(line) ?? [];
    if (size === undefined) return failed('malformed');
    missing = Number.parseInt(size, 16);
    if (bodyBytes + missing > maxBodyBytes) return failed('oversized');
    step = missing === 0 ? readTrailer : readChunk;
    return undefined;
  });

  const readChunk: Step = () => {
    missing -= takeBody(missing);
    if (missing > 0) return 'wait';
    step = endChunk;
    return undefined;
  };

  const endChunk: Step = () => (unread.length > 0 && unread[0] !== CR ? failed('malformed') : takeChunkEnd());

  const takeChunkEnd = onFramingLine((line) => {
    step = readChunkSize;
    return line === '' ? undefined : failed('malformed');
  });

  const readTrailer = onHeadLine((line) => {
    if (line === '') return replied();
    return HEADER.test(line) && !FRAMING.test(line) ? undefined : failed('malformed');
  });

  let step: Step = readStatusLine;
  return {
    push(bytes) {
      unread = unread.length === 0 ? bytes : Buffer.concat([unread, bytes]);
      for (;;) {
        const parsed = step();
        if (parsed !== undefined) return parsed === 'wait' ? undefined : parsed;
      }
    },
    end: () => (step === readUntilClose ? replied() : failed('reset')),
  };
}

const NOTHING = Buffer.alloc(0);
const LF = 0x0a;
const CR = 0x0d;
const PREFIX = 'HTTP/1.';
const FIELDS = ['content-length', 'transfer-encoding', 'retry-after'];
/** The reason phrase may be absent, and the space before it; HTTP/1.0 is answered by many small servers. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const TOKEN = /[!#$%&'*+\-.^_`|~\dA-Za-z]+/.source;
/** A token, a colon right behind it, and no control character but a tab. */
const HEADER = new RegExp(`^${TOKEN}:[\\t\\x20-\\x7e\\x80-\\xff]*$`);
/** Leading zeros change nothing; a body of more than 18 other digits does not exist. */
const LENGTH = /^0*\d{1,18}$/;
const QUOTED = /"(?:[\t\x20!\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"/.source;
/** Each extension is a token with, perhaps, a token or a quoted text as its value; no space belongs between them. */
const CHUNK_SIZE = new RegExp(`^0*([\\dA-Fa-f]{1,8})(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?)*$`);
/** What no trailer may say any more (RFC 9110, 6.5.1). */
const FRAMING = /^(?:content-length|transfer-encoding):/i;

/** What follows `start`, without the spaces and tabs around it. `trim` would take a no-break space as well. */
function withoutBlanks(line: string, start: number): string {
  let from = start;
  let to = line.length;
  while (from < to && isBlank(line.charCodeAt(from))) from++;
  while (to > from && isBlank(line.charCodeAt(to - 1))) to--;
  return line.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
