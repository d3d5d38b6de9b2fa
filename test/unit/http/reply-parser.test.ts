import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReplyParser, MAX_HEADER_BYTES, type Parsed } from '../../../lib/http/reply-parser.ts';

const MAX_BODY_BYTES = 1_000;
const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;

const latin1 = (text: string) => Buffer.from(text, 'latin1');

/** What the parser says of `text` before the connection ends. */
function push(text: string): Parsed | undefined {
  return createReplyParser(MAX_BODY_BYTES).push(latin1(text));
}

function verdictOn(text: string): string {
  const parsed = push(text);
  return parsed === undefined ? 'wait' : parsed.kind === 'failed' ? parsed.error : parsed.body.toString();
}

test('a reply is known at its last byte, and not before', () => {
  for (const text of [
    `${OK}content-length: 0\r\n\r\n`,
    `${OK}content-length: 2\r\n\r\nab`,
    'HTTP/1.1 204 No Content\r\n\r\n',
    `${CHUNKED}2\r\nab\r\n0\r\n\r\n`,
    `${CHUNKED}0\r\nx: y\r\n\r\n`,
    `HTTP/1.1 100 Continue\r\n\r\n${OK}content-length: 1\r\n\r\na`,
  ]) {
    const parser = createReplyParser(MAX_BODY_BYTES);
    for (const byte of latin1(text).subarray(0, -1)) assert.equal(parser.push(Buffer.of(byte)), undefined);
    assert.equal(parser.push(latin1(text.slice(-1)))?.kind, 'replied', text);
  }
});

test('what is sent after a reply is not looked at', () => {
  for (const rest of [
    'x',
    `${OK}content-length: 1\r\n\r\nb`,
    'HTTP/1.1 302 Found\r\n\r\n',
    '\0'.repeat(2_000),
  ]) {
    assert.equal(verdictOn(`${OK}content-length: 1\r\n\r\na${rest}`), 'a');
    assert.equal(verdictOn(`${CHUNKED}1\r\na\r\n0\r\n\r\n${rest}`), 'a');
  }
});

test('a body without a length ends with the connection', () => {
  for (const head of [OK, 'HTTP/1.0 404\r\n', `${OK}connection: keep-alive\r\n`]) {
    const parser = createReplyParser(MAX_BODY_BYTES);
    assert.equal(parser.push(latin1(`${head}\r\na`)), undefined);
    assert.equal(parser.push(latin1('b')), undefined);
    const parsed = parser.end();
    assert.equal(parsed.kind === 'replied' && parsed.body.toString(), 'ab');
  }
});

test('a connection that ends before the reply does is reset', () => {
  for (const text of ['', 'HTTP', OK, `${OK}content-length: 2\r\n\r\na`, `${CHUNKED}1\r\na\r\n0\r\n`]) {
    const parser = createReplyParser(MAX_BODY_BYTES);
    assert.equal(parser.push(latin1(text)), undefined);
    const parsed = parser.end();
    assert.equal(parsed.kind === 'failed' && parsed.error, 'reset', JSON.stringify(text));
  }
});

test('interim replies leave nothing behind', () => {
  const interim = 'HTTP/1.1 103 Early Hints\r\nretry-after: 9\r\n\r\n';
  const parsed = push(`${interim}HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n`);
  assert.deepEqual(parsed, { kind: 'replied', status: 503, body: Buffer.of(), retryAfter: undefined });
  assert.deepEqual(push(`${interim}x`), { kind: 'failed', error: 'malformed' });
});

test('of several Retry-After the first counts, without the blanks around it', () => {
  const parsed = push(`${OK}retry-AFTER: \t5 s\t \r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n`);
  assert.equal(parsed?.kind === 'replied' && parsed.retryAfter, '5 s');
  const spaced = push(`${OK}retry-after: \xa05\r\ncontent-length: 0\r\n\r\n`);
  assert.equal(spaced?.kind === 'replied' && spaced.retryAfter, '\xa05', 'a no-break space is no blank');
});

test('a head that a tolerant reader might read otherwise is malformed', () => {
  for (const head of [
    '\r\nHTTP/1.1 200 OK\r\n',
    ' HTTP/1.1 200 OK\r\n',
    'http/1.1 200 OK\r\n',
    'HTTP/1.2 200 OK\r\n',
    'HTTP/1.11 200 OK\r\n',
    'HTTP/1.1  200 OK\r\n',
    'HTTP/1.1\t200 OK\r\n',
    'HTTP/1.1 +20 OK\r\n',
    'HTTP/1.1 200OK\r\n',
    'HTTP/1.1 200 O\rK\r\n',
    'HTTP/1.1 200 OK\n',
    'HTTP/1.1 200 OK\r\r\n',
    `${OK} x: y\r\n`,
    `${OK}x: y\r\n z\r\n`,
    `${OK}x: y\r\n\tz\r\n`,
    `${OK}x\r\n`,
    `${OK}: y\r\n`,
    `${OK}x : y\r\n`,
    `${OK}x\t: y\r\n`,
    `${OK}(x): y\r\n`,
    `${OK}\xe9: y\r\n`,
    `${OK}x: y\n`,
    `${OK}x: \ry\r\n`,
    `${OK}x: \0\r\n`,
    `${OK}x: \x7f\r\n`,
    `${OK}x: \v\r\n`,
  ]) {
    assert.equal(verdictOn(`${head}content-length: 0\r\n\r\n`), 'malformed', JSON.stringify(head));
  }
});

test('a body that is framed in two ways, or in a doubtful one, is malformed', () => {
  for (const fields of [
    ['content-length: 1', 'content-length: 1'],
    ['content-length: 1', 'Content-Length: 2'],
    ['content-length: 1, 1'],
    ['content-length: 1', 'transfer-encoding: chunked'],
    ['transfer-encoding: chunked', 'content-length: 1'],
    ['transfer-encoding: chunked', 'transfer-encoding: chunked'],
    ['transfer-encoding: identity'],
    ['transfer-encoding: gzip, chunked'],
    ['transfer-encoding: chunked, gzip'],
    ['transfer-encoding: chunked;q=1'],
    ['transfer-encoding: "chunked"'],
    ['transfer-encoding: \xa0chunked'],
    ['transfer-encoding: xchunked'],
    ['transfer-encoding:'],
    ...['', '-1', '+1', '1 1', '0x1', '1.0', '1e0', '\xa01', '1;', '\xb9', '1'.repeat(19)].map((length) => [
      `content-length: ${length}`,
    ]),
  ]) {
    assert.equal(verdictOn(`${OK}${fields.join('\r\n')}\r\n\r\n1\r\n`), 'malformed', fields.join(' | '));
  }
  assert.equal(verdictOn('HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'), 'malformed', 'HTTP/1.0');
  for (const field of ['content-length: 0', 'transfer-encoding: chunked']) {
    const text = `HTTP/1.1 103 Early Hints\r\n${field}\r\n\r\n`;
    assert.equal(verdictOn(text), 'malformed', `an interim reply with ${field}`);
  }
});

test('chunks of another form than that of the standard are malformed', () => {
  for (const chunks of [
    '\r\n',
    ' 1\r\na\r\n',
    '1 \r\na\r\n',
    '+1\r\na\r\n',
    '0x1\r\na\r\n',
    '1\na\r\n',
    '1\ra\r\n',
    '1\r\na\n',
    '1\r\nab\r\n',
    '1\r\na0\r\n',
    '1\r\na\rx\n',
    '1\r\na\rx\r\n',
    '2\r\na\r\n0\r\n\r\n',
    '1,1\r\na\r\n',
    '1;\r\na\r\n',
    '1 ;x\r\na\r\n',
    '1;x=\r\na\r\n',
    '1;x="\r\na\r\n',
    '1;x="a"b\r\na\r\n',
    '1;x=a\0\r\na\r\n',
    '0\r\n\n',
    '0\r\nx\r\n\r\n',
    '0\r\nx : y\r\n\r\n',
    '0\r\n x: y\r\n\r\n',
    '0\r\nContent-Length: 0\r\n\r\n',
    '0\r\ntransfer-encoding: chunked\r\n\r\n',
  ]) {
    assert.equal(verdictOn(CHUNKED + chunks), 'malformed', JSON.stringify(chunks));
  }
});

test('sizes of chunks may have leading zeros, either case and extensions', () => {
  assert.equal(verdictOn(`${CHUNKED}0A;x;y=1;z="\\"; é"\r\n0123456789\r\n000\r\n\r\n`), '0123456789');
  assert.equal(verdictOn(`${CHUNKED}0000000a\r\n0123456789\r\n0;x\r\nx: y\r\n\r\n`), '0123456789');
  assert.equal(verdictOn(`${CHUNKED}000000000a\r\n0123456789\r\n0000000000\r\n\r\n`), '0123456789');
  assert.equal(verdictOn(`HTTP/1.1 200 OK\r\nContent-Length: ${'0'.repeat(30)}3\r\n\r\nabc`), 'abc');
});

test('what is no HTTP/1, or longer than its chunk, is refused at the first byte that says so', () => {
  assert.equal(verdictOn(`${CHUNKED}1\r\na`), 'wait');
  assert.equal(verdictOn(`${CHUNKED}1\r\nab`), 'malformed');
  assert.equal(verdictOn('H'), 'wait');
  assert.equal(verdictOn('HTTP/1.'), 'wait');
  assert.equal(verdictOn('HTTP/2'), 'malformed');
  assert.equal(verdictOn('S'), 'malformed');
  assert.equal(verdictOn('\0'), 'malformed');
});

test('a redirect and a body that is too long are refused by the head, with the status', () => {
  for (const status of [300, 302, 304, 399]) {
    assert.deepEqual(push(`HTTP/1.1 ${status} X\r\n\r\n`), { kind: 'failed', error: 'redirect', status });
  }
  const tooLong = { kind: 'failed', error: 'oversized', status: 200 };
  assert.deepEqual(push(`${OK}content-length: ${MAX_BODY_BYTES + 1}\r\n\r\n`), tooLong);
  assert.deepEqual(push(`${OK}content-length: ${'9'.repeat(18)}\r\n\r\n`), tooLong);
  assert.deepEqual(push(`${CHUNKED}${(MAX_BODY_BYTES + 1).toString(16)}\r\n`), tooLong);
  assert.deepEqual(push(`${CHUNKED}1\r\na\r\n${MAX_BODY_BYTES.toString(16)}\r\n`), tooLong, 'all chunks');
});

test('a status that is none, or means another protocol, is malformed', () => {
  for (const status of ['000', '099', '101', '600', '999', '20', '2000', '2x0', '']) {
    assert.equal(verdictOn(`HTTP/1.1 ${status} X\r\n\r\n`), 'malformed', status);
  }
});

test('a body may be as long as its limit, however it is framed', () => {
  const body = 'x'.repeat(MAX_BODY_BYTES);
  assert.equal(verdictOn(`${OK}content-length: ${MAX_BODY_BYTES}\r\n\r\n${body}`), body);
  assert.equal(verdictOn(`${CHUNKED}${MAX_BODY_BYTES.toString(16)}\r\n${body}\r\n0\r\n\r\n`), body);
  assert.equal(verdictOn(`${OK}\r\n${body}`), 'wait');
  assert.equal(verdictOn(`${OK}\r\n${body}x`), 'oversized');
});

test('all heads together may be as long as their limit, ended or not', () => {
  const interim = 'HTTP/1.1 100 Continue\r\n\r\n';
  const end = '\r\ncontent-length: 0\r\n\r\n';
  const filled = (text: string, bytes: number) =>
    `${text}x: ${'y'.repeat(bytes - text.length - 3 - end.length)}`;
  for (const start of [OK, interim.repeat(9) + OK]) {
    assert.equal(verdictOn(filled(start, MAX_HEADER_BYTES) + end), '');
    assert.equal(verdictOn(filled(start, MAX_HEADER_BYTES + 1) + end), 'oversized');
    assert.equal(verdictOn(filled(start, MAX_HEADER_BYTES + 99)), 'oversized', 'the line has not ended');
  }
  assert.equal(verdictOn(interim.repeat(MAX_HEADER_BYTES / interim.length + 1)), 'oversized');
  const trailers = 'x: y\r\n'.repeat((MAX_HEADER_BYTES - CHUNKED.length) / 6 + 1);
  assert.equal(verdictOn(`${CHUNKED}0\r\n${trailers}`), 'oversized', 'trailers count as well');
});

test('what frames chunks may take as much as the body, ended or not', () => {
  // Three bytes for the size, two behind the data.
  const most = MAX_BODY_BYTES / 5;
  assert.equal(verdictOn(`${CHUNKED}${'1\r\nx\r\n'.repeat(most)}`), 'wait');
  assert.equal(verdictOn(`${CHUNKED}${'1\r\nx\r\n'.repeat(most)}1`), 'oversized');
  assert.equal(verdictOn(`${CHUNKED}1;${'x'.repeat(MAX_BODY_BYTES)}`), 'oversized');
  assert.equal(verdictOn(`${CHUNKED}${'0'.repeat(MAX_BODY_BYTES + 1)}`), 'oversized');
});
