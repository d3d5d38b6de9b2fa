import { needsRealRedis, type TestRedisOptions } from './redis.ts';

interface RedisStack {
  readonly title: string;
  readonly redis: TestRedisOptions;
  readonly suite: { skip?: string };
}

const STACKS: readonly RedisStack[] = [
  { title: 'REST → embedded', redis: { transport: 'rest', engine: 'embedded' }, suite: {} },
  { title: 'TCP → embedded', redis: { transport: 'tcp', engine: 'embedded' }, suite: {} },
  {
    title: 'REST → real redis-server',
    redis: { transport: 'rest', engine: 'real' },
    suite: needsRealRedis(),
  },
  { title: 'TCP → real redis-server', redis: { transport: 'tcp', engine: 'real' }, suite: needsRealRedis() },
];

/**
 * Every way in which this project talks to Redis, with the options of a suite about it. A run that is about one engine
 * (test/engines) leaves the embedded one out.
 */
export const REDIS_STACKS: readonly RedisStack[] = STACKS.filter(
  ({ redis }) => process.env.TEST_REDIS_SERVER === undefined || redis.engine === 'real',
);
