import { once } from 'node:events';
import { connect } from 'node:net';

/** Commands that a Redis carried out. */
export interface CommandCounts {
  /** Those that arrived over connections, a script as one: what a request costs in traffic. */
  readonly sent: number;
  /** All of them, those inside scripts included: what a hosted Redis bills. */
  readonly run: number;
}

export interface CommandCount {
  /** Stops counting and answers how many there were. */
  take(): Promise<CommandCounts>;
}

/** A line of MONITOR: when, the database, and the client's address, or `lua` for a command of a script. */
const LINE = /^\+[\d.]+ \[\d+ (?<client>[^\]]*)\]/;
const LAST_WORD = 'the-count-ends-here';

/**
 * Counts the commands of a real redis-server by MONITOR. `echo` sends one ECHO to the same server, which is not counted.
 *
 * @example
 * const count = await countCommands(test.tcpUrl, (word) => test.command('ECHO', word));
 * await check();
 * const { sent, run } = await count.take();
 */
export async function countCommands(
  url: string,
  echo: (word: string) => Promise<unknown>,
): Promise<CommandCount> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const ended = Promise.withResolvers<void>();
  let sent = 0;
  let run = 0;
  let rest = '';
  await once(socket, 'connect');
  socket.write('MONITOR\r\n');
  await once(socket, 'data');
  socket.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('latin1')).split('\r\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const client = LINE.exec(line)?.groups?.client;
      if (line.includes(LAST_WORD)) ended.resolve();
      else if (client !== undefined) {
        run += 1;
        if (client !== 'lua') sent += 1;
      }
    }
  });
  return {
    async take() {
      await echo(LAST_WORD);
      await ended.promise;
      socket.destroy();
      return { sent, run };
    },
  };
}
