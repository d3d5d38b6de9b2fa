import { createRedis } from '../../lib/redis/client.ts';
import { servePage } from '../../page/server.ts';
import { readReport } from '../../report/report.ts';
import { reportParts } from '../../test/support/report-states.ts';
import type { Prepare } from '../contestant.ts';
import { getPage } from '../http-servers.ts';

/** The status page over HTTP. No report is kept: each request reads Redis anew, as the first one in a while does. */
export const prepare: Prepare<{ readonly redisUrl: string }> = async ({ redisUrl }) => {
  const parts = reportParts(createRedis({ url: redisUrl }));
  const { url } = await servePage(
    { address: '127.0.0.1', port: 0 },
    { report: () => readReport(parts, 'page'), wallMs: Date.now },
  );
  return {
    async run() {
      const page = await getPage(url);
      if (!page.includes('id="consumers"')) throw new Error(`a page without facts: ${page.slice(0, 500)}`);
      return { bytes: Buffer.byteLength(page) };
    },
  };
};
