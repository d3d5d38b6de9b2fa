import { createServer } from 'node:net';
import { StartError } from './lifecycle.ts';

/** A port that the local stack is about to listen on. */
export interface PortUse {
  /** 127.0.0.1 if absent. */
  readonly host?: string;
  readonly port: number;
  /** What will listen there, as it stands in the message. */
  readonly what: string;
  /** The variable that moves it. */
  readonly variable: string;
}

/**
 * Makes sure that every port can be listened on, before anything is started.
 *
 * @throws StartError that lists every port that is in use, and which variable moves it.
 */
export async function requireFreePorts(uses: readonly PortUse[]): Promise<void> {
  const faults = await Promise.all(uses.map(async (use) => ({ use, code: await whyNotFree(use) })));
  const taken = faults.filter(({ code }) => code !== undefined);
  if (taken.length === 0) return;
  const lines = taken.map(({ use, code }) => {
    const host = use.host ?? LOOPBACK;
    const reason = code === 'EADDRINUSE' ? 'is in use' : `cannot be used (${code})${hintFor(code, host)}`;
    return `  - ${host}:${use.port} ${reason}, needed for ${use.what} (move it with ${use.variable})`;
  });
  throw new StartError(
    ['Not started: another program, perhaps another "npm start", has a port that is needed.', ...lines].join(
      '\n',
    ),
  );
}

const LOOPBACK = '127.0.0.1';

/** Linux has all of 127.0.0.0/8, other systems one address of it unless they are told. */
function hintFor(code: string | undefined, host: string): string {
  return code === 'EADDRNOTAVAIL' ? `; on macOS first: sudo ifconfig lo0 alias ${host}` : '';
}

function whyNotFree({ host = LOOPBACK, port }: PortUse): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown error'));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
