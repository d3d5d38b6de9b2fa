/**
 * The peers of a benchmark as a process of their own, forked by `peers.ts`: one port for each behaviour, answering on
 * every address of 127.0.0.0/8. It speaks just enough HTTP over `net` to cost less than what is measured against it.
 * It ends with its parent, or after `LIFE_MS`.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { indexOf, type Ports, uuidOf } from './world.ts';

/** What the parent hears. */
export type PeersMessage =
  | { readonly kind: 'ready'; readonly ports: Ports }
  | { readonly kind: 'stats'; readonly stats: PeersStats };

export interface PeersStats {
  /** Complete requests since the last question. */
  readonly requests: number;
  /** Connections that are open now. */
  readonly open: number;
}

const LIFE_MS = 15 * 60_000;
const DRIP_MS = 100;
/** tcpmux: assigned, below the ephemeral range, and served by nobody. */
const REFUSING_PORT = 1;
/** The kernel lets one more connection wait than `backlog` says. */
const BLACK_HOLE_BACKLOG = 1;

const open = new Set<Socket>();
let requests = 0;

if (isMainThread) await serve();
else await listenWithoutAccepting();

async function serve(): Promise<void> {
  setTimeout(() => process.exit(1), LIFE_MS).unref();
  process.on('disconnect', () => process.exit(0));
  const ports: Ports = {
    well: await listen(answer),
    silent: await listen(() => {}),
    garbage: await listen((socket) => socket.end('\x16\x03\x01 this is not HTTP\r\n\r\n')),
    endless: await listen(drip),
    'black-hole': await openBlackHole(),
    refusing: REFUSING_PORT,
  };
  process.on('message', () => {
    send({ kind: 'stats', stats: { requests, open: open.size } });
    requests = 0;
  });
  send({ kind: 'ready', ports });
}

function send(message: PeersMessage): void {
  process.send?.(message);
}

/**
 * Listens on all addresses, because 127.0.0.0/8 has too many to name; whoever comes by another interface is hung up
 * on. Answers the port. `behave` gets each socket once a whole request has arrived.
 */
async function listen(behave: (socket: Socket) => void): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    if (indexOf(socket.localAddress ?? '') === undefined && socket.localAddress !== '127.0.0.1') {
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    onceRequested(socket, () => {
      requests++;
      behave(socket);
    });
  });
  server.listen({ host: '0.0.0.0', port: 0, backlog: 4096 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function onceRequested(socket: Socket, requested: () => void): void {
  let received = '';
  const take = (chunk: Buffer) => {
    received += chunk.toString('latin1');
    const end = received.indexOf('\r\n\r\n');
    if (end === -1) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(received)?.[1] ?? 0);
    if (received.length < end + 4 + length) return;
    socket.off('data', take);
    socket.resume();
    requested();
  };
  socket.on('data', take);
}

function answer(socket: Socket): void {
  const body = `{"uuid":"${uuidOf(indexOf(socket.localAddress ?? '') ?? 0)}"}`;
  socket.end(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function drip(socket: Socket): void {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n');
  const timer = setInterval(() => socket.write(' '), DRIP_MS);
  socket.on('close', () => clearInterval(timer));
}

/**
 * A port whose connections are never established: a thread listens there and then sleeps for good, and once its queue
 * is full the kernel drops every SYN. To a client that is what a firewall without an answer looks like.
 */
async function openBlackHole(): Promise<number> {
  const worker = new Worker(new URL(import.meta.url));
  const [port] = (await once(worker, 'message')) as [number];
  for (let waiting = 0; waiting <= BLACK_HOLE_BACKLOG; waiting++) {
    const filler = connect(port, '127.0.0.1');
    filler.on('error', () => {});
    await once(filler, 'connect');
  }
  return port;
}

async function listenWithoutAccepting(): Promise<void> {
  const server = createServer();
  server.listen({ host: '0.0.0.0', port: 0, backlog: BLACK_HOLE_BACKLOG });
  await once(server, 'listening');
  parentPort?.postMessage((server.address() as AddressInfo).port);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
