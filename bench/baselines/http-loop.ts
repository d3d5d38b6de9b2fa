import { Agent, request } from 'node:http';
import type { Prepare } from '../contestant.ts';
import { ipOf } from '../world.ts';
import { forEachIndex, type LoopParams } from './loop.ts';

/**
 * A bare loop of `node:http` posts without keep-alive: no deadline, no caps, no address rules, no Redis. What a round
 * costs beyond this is what this project adds.
 */
export const prepare: Prepare<LoopParams> = async ({ first, count, port, concurrency, path, body }) => {
  const agent = new Agent({ keepAlive: false });
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'accept-encoding': 'identity',
    connection: 'close',
  };
  const post = (host: string) =>
    new Promise<void>((resolve, reject) => {
      const outgoing = request({ host, port, path, method: 'POST', agent, headers }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          Buffer.concat(chunks);
          if (incoming.statusCode === 200) resolve();
          else reject(new Error(`status ${incoming.statusCode}`));
        });
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  return {
    async run() {
      await forEachIndex(count, concurrency, (index) => post(ipOf(first + index)));
      return { calls: count };
    },
  };
};
