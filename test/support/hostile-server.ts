import { createServer, type Socket } from 'node:net';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { listen, type Owner } from './owner.ts';

/** What a client's transport may make of a behaviour: `replied` is a whole reply, the others are error classes. */
export type Verdict = 'replied' | 'refused' | 'timeout' | 'reset' | 'redirect' | 'oversized' | 'malformed';

export interface HostileBehaviour {
  readonly name: string;
  /** The right verdict; several where it depends on how the kernel cuts the stream, each of them harmless. */
  readonly verdict: Verdict | readonly Verdict[];
  /** Runs once a connection stands; `request` resolves when the head and body of the request have come. */
  readonly serve: (socket: Socket, request: Promise<void>) => void | Promise<void>;
  /** Nothing listens at all. */
  readonly refuses?: true;
}

export interface HostileServer {
  readonly port: number;
  /** Connections taken so far. */
  readonly connections: number;
  /** Resolves when every connection has been closed, by whichever side. */
  allClosed(): Promise<void>;
}

/** Starts a raw TCP server on loopback that treats every connection as `behaviour` says; it ends with the test. */
export async function startHostile(t: Owner, behaviour: HostileBehaviour): Promise<HostileServer> {
  const closed: Promise<void>[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    closed.push(new Promise((resolve) => socket.once('close', () => resolve())));
    const request = new Promise<void>((resolve) => {
      let got = '';
      socket.on('data', (chunk) => {
        got += chunk.toString('latin1');
        const [head, body] = got.split('\r\n\r\n');
        const length = Number(/^content-length: (\d+)/im.exec(head ?? '')?.[1] ?? 0);
        if (body !== undefined && body.length >= length) resolve();
      });
    });
    void behaviour.serve(socket, request);
  });
  const port = await listen(server);
  const stop = async () => {
    if (!server.listening) return;
    const ended = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await ended;
  };
  t.after(stop);
  if (behaviour.refuses) await stop();
  return {
    port,
    get connections() {
      return closed.length;
    },
    allClosed: async () => {
      await Promise.all(closed);
    },
  };
}

const OK = 'HTTP/1.1 200 OK\r\n';
const METADATA = 'http://169.254.169.254/latest/meta-data/iam/security-credentials/';

/** Sends a reply and leaves the connection open: ending it is up to the client. */
function says(
  name: string,
  verdict: HostileBehaviour['verdict'],
  ...parts: (string | Buffer)[]
): HostileBehaviour {
  return {
    name,
    verdict,
    serve: async (socket, request) => {
      await request;
      for (const part of parts) socket.write(part, 'latin1');
    },
  };
}

/** Sends `head`, then `piece` for ever, as fast as the client takes it. */
function floods(
  name: string,
  verdict: HostileBehaviour['verdict'],
  head: string,
  piece: string,
): HostileBehaviour {
  const block = Buffer.from(piece.repeat(Math.ceil(8192 / piece.length)), 'latin1');
  return {
    name,
    verdict,
    serve: async (socket, request) => {
      await request;
      socket.write(head, 'latin1');
      const pour = () => {
        while (!socket.destroyed && socket.write(block));
      };
      socket.on('drain', pour);
      pour();
    },
  };
}

/** Sends `head`, then `piece` every 10 ms, for ever. */
function drips(name: string, head: string, piece: string): HostileBehaviour {
  return {
    name,
    verdict: 'timeout',
    serve: async (socket, request) => {
      await request;
      socket.write(head, 'latin1');
      const timer = setInterval(() => socket.write(piece, 'latin1'), 10);
      socket.once('close', () => clearInterval(timer));
    },
  };
}

/** Sends `head`, waits until it has left, then breaks the connection: once by RST, once by FIN. */
function breaks(phase: string, head: string): HostileBehaviour[] {
  const send = async (socket: Socket, request: Promise<void>) => {
    await request;
    await new Promise<void>((resolve) => socket.write(head, 'latin1', () => resolve()));
  };
  return [
    {
      name: `reset ${phase}`,
      verdict: 'reset',
      serve: async (socket, request) => {
        await send(socket, request);
        socket.resetAndDestroy();
      },
    },
    {
      name: `closed ${phase}`,
      verdict: 'reset',
      serve: async (socket, request) => {
        await send(socket, request);
        socket.end();
      },
    },
  ];
}

/** A reply that holds its body as it is: 200 with a content-length and whatever else. */
function reply(body: string | Buffer, ...headers: string[]): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
  const head = `${OK}${headers.map((header) => `${header}\r\n`).join('')}content-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
}

const MEBIBYTE_OF_NOTHING = Buffer.alloc(1_048_576);
/** 40 MB in under 64 KiB. */
const GZIP_BOMB = gzipSync(Buffer.alloc(40_000_000), { level: 9 });

/** What a stranger may do with a connection to it. Verdicts are those of a client with caps and an absolute deadline. */
export const HOSTILE_BEHAVIOURS: readonly HostileBehaviour[] = [
  { name: 'refused', verdict: 'refused', serve: () => undefined, refuses: true },
  { name: 'accepted in silence', verdict: 'timeout', serve: () => undefined },
  { name: 'reset on connecting', verdict: 'reset', serve: (socket) => void socket.resetAndDestroy() },
  { name: 'closed on connecting', verdict: 'reset', serve: (socket) => void socket.end() },
  ...breaks('after the request', ''),
  ...breaks('in the status line', 'HTTP/1.1 20'),
  ...breaks('in the headers', `${OK}content-le`),
  ...breaks('after an interim reply', 'HTTP/1.1 102 Processing\r\n\r\n'),
  ...breaks('in a body of known length', `${OK}content-length: 100\r\n\r\n8.8.8.8`),
  ...breaks('in a chunk', `${OK}transfer-encoding: chunked\r\n\r\n64\r\n8.8.8.8`),
  ...breaks('before the last chunk', `${OK}transfer-encoding: chunked\r\n\r\n7\r\n8.8.8.8\r\n`),
  ...breaks('in the trailers', `${OK}transfer-encoding: chunked\r\n\r\n7\r\n8.8.8.8\r\n0\r\nx: `),

  drips('a status line that never ends, byte by byte', 'HTTP/1.1 200 ', 'O'),
  drips('headers, byte by byte', OK, 'x'),
  drips('a header at a time', OK, 'x: y\r\n'),
  drips('a body, byte by byte', `${OK}\r\n`, 'x'),
  drips('a body of known length, byte by byte', `${OK}content-length: 1000\r\n\r\n`, 'x'),
  drips('chunks, byte by byte', `${OK}transfer-encoding: chunked\r\n\r\n`, '1\r\nx\r\n'),
  drips('interim replies, one at a time', '', 'HTTP/1.1 102 Processing\r\n\r\n'),
  drips('trailers, one at a time', `${OK}transfer-encoding: chunked\r\n\r\n0\r\n`, 'x: y\r\n'),
  says('a body that ends a byte early', 'timeout', `${OK}content-length: 8\r\n\r\n8.8.8.8`),
  says('half a reply, then silence', 'timeout', `${OK}content-length: 100\r\n\r\n8.8.8.8`),

  floods('an endless status line', 'oversized', 'HTTP/1.1 200 ', 'O'),
  floods('one endless header', 'oversized', `${OK}x: `, 'y'),
  floods('endless headers', 'oversized', OK, 'x: y\r\n'),
  floods('endless empty lines', ['oversized', 'malformed'], '', '\r\n'),
  floods('endless interim replies', 'oversized', '', 'HTTP/1.1 102 Processing\r\n\r\n'),
  floods('endless early hints', 'oversized', '', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'),
  floods('endless continues', 'oversized', '', 'HTTP/1.1 100 Continue\r\n\r\n'),
  floods('an endless body', 'oversized', `${OK}\r\n`, 'x'),
  floods(
    'an endless body of a declared petabyte',
    'oversized',
    `${OK}content-length: 1000000000000000\r\n\r\n`,
    'x',
  ),
  floods(
    'endless chunks',
    'oversized',
    `${OK}transfer-encoding: chunked\r\n\r\n`,
    `400\r\n${'x'.repeat(1024)}\r\n`,
  ),
  floods('endless chunks of a byte', 'oversized', `${OK}transfer-encoding: chunked\r\n\r\n`, '1\r\nx\r\n'),
  floods(
    'endless chunks of a byte with extensions',
    'oversized',
    `${OK}transfer-encoding: chunked\r\n\r\n`,
    `1;${'e'.repeat(500)}\r\nx\r\n`,
  ),
  floods('an endless chunk extension', 'oversized', `${OK}transfer-encoding: chunked\r\n\r\n1;`, 'e'),
  floods('an endless chunk size', ['oversized', 'malformed'], `${OK}transfer-encoding: chunked\r\n\r\n`, '1'),
  floods('endless trailers', 'oversized', `${OK}transfer-encoding: chunked\r\n\r\n0\r\n`, 'x: y\r\n'),
  says('headers of 40 KB', 'oversized', `${OK}x: ${'y'.repeat(40_000)}\r\n\r\n`),
  says('five thousand headers', ['oversized', 'timeout'], `${OK}${'x: y\r\n'.repeat(5_000)}\r\n`),
  says('a string of 1 MB', 'oversized', reply(`"${'x'.repeat(1_000_000)}"`)),
  says('a mebibyte of zeros', 'oversized', reply(MEBIBYTE_OF_NOTHING)),

  says(
    'content-length given twice, the same',
    'malformed',
    `${OK}content-length: 7\r\ncontent-length: 7\r\n\r\n8.8.8.8`,
  ),
  says(
    'content-length given twice, different',
    'malformed',
    `${OK}content-length: 1\r\ncontent-length: 7\r\n\r\n8.8.8.8`,
  ),
  says('content-length as a list', 'malformed', `${OK}content-length: 7, 7\r\n\r\n8.8.8.8`),
  says(
    'content-length and chunked',
    'malformed',
    `${OK}content-length: 7\r\ntransfer-encoding: chunked\r\n\r\n7\r\n8.8.8.8\r\n0\r\n\r\n`,
  ),
  says(
    'chunked and content-length',
    'malformed',
    `${OK}transfer-encoding: chunked\r\ncontent-length: 7\r\n\r\n7\r\n8.8.8.8\r\n0\r\n\r\n`,
  ),
  says('a negative content-length', 'malformed', `${OK}content-length: -7\r\n\r\n8.8.8.8`),
  says('a signed content-length', 'malformed', `${OK}content-length: +7\r\n\r\n8.8.8.8`),
  says('a hexadecimal content-length', 'malformed', `${OK}content-length: 0x7\r\n\r\n8.8.8.8`),
  says(
    'a content-length beyond 64 bits',
    'malformed',
    `${OK}content-length: 99999999999999999999999\r\n\r\n8.8.8.8`,
  ),
  says(
    'a chunk size beyond 64 bits',
    'malformed',
    `${OK}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n8.8.8.8`,
  ),
  says(
    'a chunk size that is no number',
    'malformed',
    `${OK}transfer-encoding: chunked\r\n\r\nzz\r\n8.8.8.8\r\n0\r\n\r\n`,
  ),
  says(
    'a chunk longer than it says',
    'malformed',
    `${OK}transfer-encoding: chunked\r\n\r\n1\r\n8.8.8.8\r\n0\r\n\r\n`,
  ),
  says(
    'more than content-length says',
    ['malformed', 'replied'],
    `${OK}connection: close\r\ncontent-length: 1\r\n\r\n8.8.8.8`,
  ),
  says('two replies', ['malformed', 'reset', 'replied'], Buffer.concat([reply('x'), reply('y')])),
  says(
    'a reply and a redirect',
    ['malformed', 'reset', 'replied', 'redirect'],
    reply('x'),
    `HTTP/1.1 302 Found\r\nlocation: ${METADATA}\r\ncontent-length: 0\r\n\r\n`,
  ),
  says(
    'transfer-encoding chunked twice',
    ['malformed', 'timeout', 'replied'],
    `${OK}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
  ),
  says(
    'an unknown transfer-encoding',
    ['malformed', 'timeout'],
    `${OK}transfer-encoding: xchunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
  ),

  ...[301, 302, 303, 307, 308].map((status) =>
    says(
      `${status} to the metadata service`,
      'redirect',
      `HTTP/1.1 ${status} Moved\r\nlocation: ${METADATA}\r\ncontent-length: 0\r\n\r\n`,
    ),
  ),
  says(
    '300 with choices',
    'redirect',
    `HTTP/1.1 300 Multiple Choices\r\nlocation: ${METADATA}\r\ncontent-length: 0\r\n\r\n`,
  ),
  says('304 without a question', 'redirect', 'HTTP/1.1 304 Not Modified\r\n\r\n'),
  says(
    'a redirect with an endless body',
    'redirect',
    `HTTP/1.1 302 Found\r\nlocation: ${METADATA}\r\n\r\n${'x'.repeat(100_000)}`,
  ),
  says(
    '101 to a websocket',
    'malformed',
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  ),
  says(
    '101 to HTTP/2',
    'malformed',
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ),
  says('101 to nothing', 'malformed', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'),

  says(
    'random bytes',
    'malformed',
    Buffer.from(Array.from({ length: 4_096 }, (_, n) => (n * 167 + 13) % 256)),
  ),
  says('zeros', 'malformed', MEBIBYTE_OF_NOTHING),
  says('a body without a head', 'malformed', '8.8.8.8\r\n'),
  says('an SSH banner', 'malformed', 'SSH-2.0-OpenSSH_9.9\r\n'),
  says('a TLS alert', 'malformed', Buffer.from([0x15, 3, 3, 0, 2, 2, 40])),
  says('an HTTP/2 settings frame', 'malformed', Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])),
  says('HTTP/9.9', 'malformed', 'HTTP/9.9 200 OK\r\ncontent-length: 7\r\n\r\n8.8.8.8'),
  says(
    'a request in place of a reply',
    'malformed',
    'POST /sync HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n',
  ),
  says('a status of two digits', 'malformed', 'HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n'),
  says('a status of four digits', 'malformed', 'HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n'),
  says('status 000', 'malformed', 'HTTP/1.1 000 Zero\r\ncontent-length: 0\r\n\r\n'),
  says('status 099', 'malformed', 'HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n'),
  says('status 600', 'malformed', 'HTTP/1.1 600 High\r\ncontent-length: 0\r\n\r\n'),
  says('status 999', 'malformed', 'HTTP/1.1 999 Denied\r\ncontent-length: 0\r\n\r\n'),
  says('a NUL in a header', 'malformed', `${OK}x: a\0b\r\ncontent-length: 0\r\n\r\n`),
  says('a bare CR in a header', 'malformed', `${OK}x: a\rb: c\r\ncontent-length: 0\r\n\r\n`),
  says('a header without a colon', 'malformed', `${OK}nonsense\r\ncontent-length: 0\r\n\r\n`),
  says('a header name with a space', 'malformed', `${OK}content-length : 0\r\n\r\n`),
  says('line ends without CR', ['malformed', 'replied'], 'HTTP/1.1 200 OK\ncontent-length: 1\n\nx'),

  says('a gzip bomb', 'replied', reply(gzipSync(Buffer.alloc(400_000)), 'content-encoding: gzip')),
  says('a gzip bomb of 40 MB', ['replied', 'oversized'], reply(GZIP_BOMB, 'content-encoding: gzip')),
  says(
    'a brotli bomb',
    'replied',
    reply(brotliCompressSync(Buffer.alloc(1_000_000)), 'content-encoding: br'),
  ),
  says('a zstd bomb', 'replied', reply(zstdCompressSync(Buffer.alloc(1_000_000)), 'content-encoding: zstd')),
  says(
    'a thousand content-encodings',
    'replied',
    reply(gzipSync('8.8.8.8'), `content-encoding: ${'gzip,'.repeat(1_000)}gzip`),
  ),
  says(
    'three thousand content-encodings',
    'oversized',
    reply('8.8.8.8', ...Array(3_000).fill('content-encoding: gzip')),
  ),
  says('a body of invalid UTF-8', 'replied', reply(Buffer.from([0xc3, 0x28, 0xff, 0xfe, 0xed, 0xa0, 0x80]))),
  says('control characters', 'replied', reply('\u001b[2J\u001b]0;owned\u0007\r\n\u0000')),
  says(
    'a script in the reason phrase',
    'replied',
    'HTTP/1.1 200 <script>alert(1)</script>\r\ncontent-length: 0\r\n\r\n',
  ),
  says('deep JSON', 'replied', reply('['.repeat(1_000))),
  says(
    'an interim reply before an ordinary one',
    'replied',
    'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n',
    reply('x'),
  ),
  {
    name: 'a body that ends with the connection',
    verdict: 'replied',
    serve: async (socket, request) => {
      await request;
      socket.end('HTTP/1.0 200 OK\r\n\r\nx');
    },
  },
];
