// npx node kit/consumer-api/start.ts: runs the reference consumer API. It takes the scheduler's variables (or its .env) and
// those of kit/settings.ts. Exit code 78 for a configuration that cannot be used.
import { readEnvironment } from '../../host/env-file.ts';
import { loadConfig } from '../../lib/config.ts';
import { createAddressPolicy } from '../../lib/peers/address.ts';
import { createPostToPeer } from '../../lib/peers/post.ts';
import { createRedis } from '../../lib/redis/client.ts';
import { createMemory } from '../memory.ts';
import { runKit } from '../run.ts';
import { readKitSettings } from '../settings.ts';
import { startConsumerApi } from './consumer-api.ts';

await runKit(async () => {
  const { env } = readEnvironment(process.cwd(), process.env);
  const config = loadConfig(env);
  const redis = createRedis(config.redis);
  const policy = createAddressPolicy({ defaultPort: config.peers.port, allow: config.peers.allowCidrs });
  const api = await startConsumerApi({
    uuid: config.localUuid,
    memory: createMemory(redis, config.redis.prefix, config.sync.intervalMs),
    policy,
    post: createPostToPeer({ policy }),
    ...readKitSettings(env),
    onEvent: ({ kind, uuid, address }) => console.log(`${uuid} ${kind}: ${address}`),
  });
  console.log(`The consumer API of ${config.localUuid} listens on port ${api.port}.`);
  return async () => {
    await api.stop();
    await redis.close();
  };
});
