import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Context } from 'aws-lambda';
import type { Prepare } from '../contestant.ts';

export interface ColdStartParams {
  /** The bundle of one function. */
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A function's first invocation in a fresh process: loads its bundle and runs it once, as Lambda would. */
export const prepare: Prepare<ColdStartParams> = async ({ file, env }) => {
  Object.assign(process.env, env);
  const require_ = createRequire(file);
  return {
    async run() {
      const before = new Set(Object.keys(require_.cache));
      const startedAt = performance.now();
      const { handler } = require_(file) as {
        handler: (
          event: unknown,
          context: Pick<Context, 'awsRequestId' | 'getRemainingTimeInMillis'>,
        ) => Promise<unknown>;
      };
      const importMs = performance.now() - startedAt;
      await handler(file.includes('producer-notify') ? {} : { source: 'schedule' }, {
        awsRequestId: 'cold-start',
        getRemainingTimeInMillis: () => 30_000,
      });
      const loaded = Object.keys(require_.cache).filter((path) => !before.has(path));
      return {
        importMs,
        runMs: performance.now() - startedAt - importMs,
        files: loaded.length,
        bytes: loaded.reduce((sum, path) => sum + statSync(path).size, 0),
        heavy: loaded.filter((path) => /ioredis|@aws-sdk/.test(path)).length,
      };
    },
  };
};
