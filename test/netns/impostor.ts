import { request } from 'node:http';
import { type RunningServer, startServer } from '../../kit/http.ts';
import { inhabit } from './inhabitant.ts';

/** A place that lies: it answers as whom it likes, names whom it likes, and calls in another's name each second. */

let server: RunningServer | undefined;
let timer: NodeJS.Timeout | undefined;

interface Lies {
  /** Whom it says it is, in calls and answers. */
  readonly uuid: string;
  /** Whom its answers name. */
  readonly consumers: readonly { readonly uuid: string; readonly ip: string }[];
  /** Whom it calls each second. */
  readonly targets: readonly string[];
}

function call(host: string, uuid: string): void {
  const sent = request({ host, port: 80, method: 'POST', path: '/sync', agent: false, timeout: 3_000 });
  sent.on('response', (response) => response.resume());
  sent.on('error', () => undefined);
  sent.end(JSON.stringify({ uuid }));
}

async function end(): Promise<void> {
  clearInterval(timer);
  await server?.stop();
  server = undefined;
}

inhabit(
  {
    start: () => {},
    lie: async ({ uuid, consumers, targets }: Lies) => {
      server = await startServer({
        listen: { port: 80 },
        proxies: [],
        handle: async () => ({ status: 200, json: { uuid, consumers } }),
      });
      timer = setInterval(() => {
        for (const target of targets) call(target, uuid);
      }, 1_000);
    },
    end,
  },
  end,
);
