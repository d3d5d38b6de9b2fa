import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { listen, type Owner } from './owner.ts';

/** A TCP endpoint that hands connections to a server behind it, as a name or a load balancer does. */
export interface Endpoint {
  readonly port: number;
  /** How many connections were made to it. */
  readonly connections: number;
  /** Where new connections go from now on; those that exist stay where they are. */
  moveTo(port: number): void;
  /** Connections that exist stay open and carry nothing any more, as after a NAT has forgotten them. */
  freeze(): void;
}

/** Starts one on 127.0.0.1 in front of `port`. */
export async function startEndpoint(t: Owner, port: number): Promise<Endpoint> {
  let target = port;
  let connections = 0;
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((socket) => {
    connections += 1;
    const behind = connect(target, '127.0.0.1');
    const pair = [socket, behind] as const;
    pairs.add(pair);
    for (const end of pair) {
      end.on('error', () => {});
      end.on('close', () => {
        for (const other of pair) other.destroy();
        pairs.delete(pair);
      });
    }
    socket.pipe(behind).pipe(socket);
  });
  const own = await listen(server);
  t.after(async () => {
    for (const [socket] of pairs) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return {
    port: own,
    get connections() {
      return connections;
    },
    moveTo(next) {
      target = next;
    },
    freeze() {
      for (const [socket, behind] of pairs) {
        socket.unpipe(behind);
        behind.unpipe(socket);
      }
    },
  };
}
