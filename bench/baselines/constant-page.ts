import { Redis } from 'ioredis';
import type { Prepare } from '../contestant.ts';
import { getPage, serve } from '../http-servers.ts';

export interface ConstantPageParams {
  readonly redisUrl: string;
  readonly commands: number;
  readonly bytes: number;
}

/** The least that a page can be: so many Redis commands in one trip, and a constant text as long as the page. */
export const prepare: Prepare<ConstantPageParams> = async ({ redisUrl, commands, bytes }) => {
  const redis = new Redis(redisUrl);
  const page = Buffer.alloc(bytes, 'x');
  const { url } = await serve(async (_, response) => {
    const pipeline = redis.pipeline();
    for (let i = 0; i < commands; i++) pipeline.time();
    await pipeline.exec();
    response.writeHead(200, { 'content-type': 'text/html', 'content-length': page.length }).end(page);
  });
  return {
    async run() {
      const { length } = await getPage(url);
      if (length !== bytes) throw new Error(`${length} bytes, not ${bytes}`);
      return {};
    },
  };
};
