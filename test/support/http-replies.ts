import { request } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';

/** A whole reply as bytes in latin1, with what a reader has to make of it. */
export interface Reply {
  readonly text: string;
  readonly status: number;
  readonly body: string;
  readonly retryAfter: string | undefined;
  /** Whether only the end of the connection ends it. */
  readonly untilClose: boolean;
}

const body = fc.string({ unit: fc.nat(0xff).map((code) => String.fromCharCode(code)), maxLength: 60 });
const status = fc.constantFrom(200, 200, 201, 204, 205, 299, 400, 404, 429, 500, 503, 599);
const reason = fc.constantFrom('', ' ', ' OK', ' Not\tso \xe9');
const header = fc.constantFrom(
  'x: y',
  'X-Y:',
  'connection: close',
  'set-cookie: \xe9=1',
  '!: \t z \t',
  'te: st',
);
const interim = fc.constantFrom(
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\nretry-after: 9\r\n\r\n',
);
const retryAfter = fc.option(fc.constantFrom('120', '0', 'soon'), { nil: undefined });
const extension = fc.constantFrom('', '', ';x', ';a=b;c="d"');
const framing = fc.constantFrom('length', 'chunked', 'close');

function chunked(text: string, size: number, extension: string, trailers: readonly string[]): string {
  let chunks = '';
  for (let at = 0; at < text.length; at += size) {
    const data = text.slice(at, at + size);
    chunks += `${data.length.toString(16)}${extension}\r\n${data}\r\n`;
  }
  return `${chunks}0${extension}\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** Replies as RFC 9112 wants them, in all their variety: interim replies, each way of framing, trailers, odd reasons. */
export const wellFormedReply: fc.Arbitrary<Reply> = fc
  .record({
    interims: fc.array(interim, { maxLength: 2 }),
    status,
    reason,
    headers: fc.array(header, { maxLength: 4 }),
    retryAfter,
    framing,
    body,
    size: fc.integer({ min: 1, max: 20 }),
    extension,
    trailers: fc.array(header, { maxLength: 2 }),
  })
  .map(({ interims, status, reason, headers, retryAfter, framing, body, size, extension, trailers }) => {
    const empty = status === 204;
    const framed = {
      length: `content-length: ${body.length}\r\n\r\n${body}`,
      chunked: `Transfer-Encoding: Chunked\r\n\r\n${chunked(body, size, extension, trailers)}`,
      close: `\r\n${body}`,
    };
    const lines = [...headers, ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter} `])];
    const head = `${interims.join('')}HTTP/1.1 ${status}${reason}\r\n${lines.map((line) => `${line}\r\n`).join('')}`;
    return {
      text: head + (empty ? '\r\n' : framed[framing]),
      status,
      body: empty ? '' : body,
      retryAfter,
      untilClose: !empty && framing === 'close',
    };
  });

/** What readers of HTTP have fallen out over. */
const SNIPPETS = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\n\n',
  ' ',
  '\t',
  '\v',
  '\0',
  ':',
  ';',
  ',',
  '"',
  '\x7f',
  '\x80',
]
  .concat(['0', '1', 'f', '+', '-', '0x', '_', '.', 'ffffffffffffffff', 'content-length: 3\r\n'])
  .concat([
    'content-length:3\n',
    'content-length : 3\r\n',
    'Content-Length: 3, 3\r\n',
    'content-length: \r\n',
  ])
  .concat([
    'transfer-encoding: chunked\r\n',
    'transfer-encoding: identity\r\n',
    'transfer-encoding:\r\n chunked\r\n',
  ])
  .concat([
    'transfer-encoding: chunked, gzip\r\n',
    'transfer-encoding: gzip, chunked\r\n',
    'retry-after: 7\r\n',
  ])
  .concat([
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.0 200 OK\r\n',
    'HTTP/1.1 101 X\r\nupgrade: x\r\n',
    'HTTP/1.1 304 X\r\n',
  ])
  .concat([
    'connection: upgrade\r\nupgrade: x\r\n',
    '0\r\n\r\n',
    '3\r\nabc\r\n',
    'connection: keep-alive\r\n',
  ]);

const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.oneof(fc.constant(0), fc.nat(8)),
  put: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...SNIPPETS) }, { weight: 1, arbitrary: body }),
  /** At the start of a line, where a header or a chunk is understood as one. */
  aligned: fc.boolean(),
});

/** Replies that were damaged in up to four places, and now and then any bytes at all. */
export const damagedReply: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 19,
    arbitrary: fc.tuple(wellFormedReply, fc.array(mutation, { maxLength: 4 })).map(([{ text }, mutations]) =>
      mutations.reduce((from, { at, removed, put, aligned }) => {
        const place = Math.floor(at * from.length);
        const cut = aligned ? from.indexOf('\n', place) + 1 : place;
        return from.slice(0, cut) + put + from.slice(cut + removed);
      }, text),
    ),
  },
  { weight: 1, arbitrary: body },
);

/** Where the network cuts a stream. */
export const cuts = fc.array(fc.nat(400), { maxLength: 6 });

/** The bytes of `text`, cut there. No part is empty. */
export function cutAt(text: string, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places), text.length].filter((end) => end <= text.length).sort((a, b) => a - b);
  return ends
    .map((end, index) => Buffer.from(text.slice(ends[index - 1] ?? 0, end), 'latin1'))
    .filter((part) => part.length > 0);
}

/** What Node's own HTTP client makes of the bytes of a connection that ends after them: undefined if it is no reply. */
export function readByNode(
  parts: readonly Buffer[],
  maxHeaderSize: number,
): Promise<{ status: number; body: string; retryAfter: string | undefined } | undefined> {
  return new Promise((resolve) => {
    const connection = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    const outgoing = request({ createConnection: () => connection, headers: ['host', 'x'], maxHeaderSize });
    let isComplete = () => false;
    // Bytes after a complete reply are an error to Node, which comes before the reply's own end.
    outgoing.on('error', () => isComplete() || resolve(undefined));
    outgoing.on('upgrade', () => resolve(undefined));
    outgoing.on('close', () => isComplete() || resolve(undefined));
    outgoing.on('response', (incoming) => {
      isComplete = () => incoming.complete;
      let read = '';
      incoming.setEncoding('latin1');
      incoming.on('data', (text: string) => {
        read += text;
      });
      incoming.on('error', () => resolve(undefined));
      incoming.on('end', () => {
        const { statusCode = 0, headers } = incoming;
        resolve({ status: statusCode, body: read, retryAfter: headers['retry-after'] });
      });
    });
    outgoing.on('finish', () => {
      for (const part of parts) connection.push(part);
      connection.push(null);
    });
    outgoing.end();
  });
}
