import { serve, type WorldServer } from './server.ts';

/** Starts the simulated echo services. All tell the same address, the one that `publicIp` answers at that moment. */
export async function startIpSources(
  ports: readonly number[],
  publicIp: () => string,
): Promise<WorldServer[]> {
  return Promise.all(
    ports.map((port) =>
      serve(port, ({ method, path }) =>
        method === 'GET' && path === '/'
          ? { status: 200, headers: { 'content-type': 'text/plain' }, body: `${publicIp()}\n` }
          : { status: 404 },
      ),
    ),
  );
}
