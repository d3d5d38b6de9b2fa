import { once } from 'node:events';
import { type PageServer, servePage, whyNotServed } from '../page/server.ts';
import { createReporter } from '../report/reporter.ts';
import { type Context, withParts } from './context.ts';
import { UsageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-code.ts';

/** Where the page is served unless `PAGE_PORT` or `--port` says otherwise. */
const DEFAULT_PAGE_PORT = 8090;

/**
 * `p2p page`: the status page on this machine until Ctrl-C, wherever the scheduler runs: it needs Redis alone. Without
 * `--port` it is where `PAGE_PORT` says, and else on loopback.
 */
export async function page(context: Context): Promise<ExitCode> {
  const { args, terminal, screen } = context;
  const given = args.whole('port', { fallback: 0, min: 1, max: 65_535 });
  return withParts(context, async (parts) => {
    const { page: configured } = parts.config.host;
    const address =
      given > 0 || configured === undefined
        ? { address: '127.0.0.1', port: given || DEFAULT_PAGE_PORT, token: undefined }
        : configured;
    const server = await serve(address, {
      report: createReporter(parts, 'page'),
      token: address.token,
      wallMs: parts.host.wallMs,
    });
    const interrupts = terminal.watchInterrupts();
    try {
      screen.line(server.url);
      context.note('The status page is served there until Ctrl-C.');
      if (!interrupts.signal.aborted) await once(interrupts.signal, 'abort');
      return EXIT.ok;
    } finally {
      interrupts.end();
      await server.close();
    }
  });
}

async function serve(...[address, options]: Parameters<typeof servePage>): Promise<PageServer> {
  try {
    return await servePage(address, options);
  } catch (error) {
    throw new UsageError(`Port ${address.port} ${whyNotServed(error)}. --port names another one.`, 'page');
  }
}
