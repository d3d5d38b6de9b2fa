import { createParts } from '../lib/app.ts';
import type { Redis } from '../lib/redis/redis.ts';
import { servePage } from '../page/server.ts';
import { createReporter } from '../report/reporter.ts';
import type { Stack } from './env.ts';

/** Serves the status page of the stack on loopback; what is answered ends it. */
export async function serveLocalPage(
  { config, ports }: Pick<Stack, 'config' | 'ports'>,
  redis: Redis,
): Promise<() => Promise<void>> {
  const quiet = () => undefined;
  const parts = createParts({
    config,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    invoke: async () => undefined,
    redis,
  });
  const server = await servePage(
    { address: '127.0.0.1', port: ports.page },
    { report: createReporter(parts, 'page'), wallMs: Date.now },
  );
  return server.close;
}
