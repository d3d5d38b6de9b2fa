import { needsRealRedis, type TestRedisOptions } from './redis.ts';

/** Every way in which this project talks to Redis, with the options of a suite about it. */
export const REDIS_STACKS: readonly {
  readonly title: string;
  readonly redis: TestRedisOptions;
  readonly suite: { skip?: string };
}[] = [
  { title: 'REST → embedded', redis: { transport: 'rest', engine: 'embedded' }, suite: {} },
  { title: 'TCP → embedded', redis: { transport: 'tcp', engine: 'embedded' }, suite: {} },
  {
    title: 'REST → real redis-server',
    redis: { transport: 'rest', engine: 'real' },
    suite: needsRealRedis(),
  },
  { title: 'TCP → real redis-server', redis: { transport: 'tcp', engine: 'real' }, suite: needsRealRedis() },
];
