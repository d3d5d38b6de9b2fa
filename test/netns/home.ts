import type { FunctionKey } from '../../local/lambda.ts';
import { type Functions, startFunctions } from '../e2e/harness.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { inhabit } from './inhabitant.ts';

/** The consumer's host: its Redis, and `serverless offline` with the production functions. */

const ends: (() => Promise<void>)[] = [];
const owner = { after: (end: () => Promise<void>) => ends.unshift(end) };
let redis: TestRedis;
let functions: Functions;

inhabit(
  {
    async start() {
      redis = await startTestRedis({ after: owner.after }, { transport: 'rest', engine: 'real' });
      functions = await startFunctions(
        { after: owner.after },
        {
          redis,
          env: {
            IP_SOURCES: process.env.IP_SOURCES,
            PEER_ALLOW_CIDRS: '198.51.100.0/24',
          },
        },
      );
    },
    command: (name: string, ...args: string[]) => redis.command(name, ...args),
    invoke: (name: FunctionKey) => functions.invoke(name),
  },
  async () => {
    for (const end of ends) await end();
  },
);
