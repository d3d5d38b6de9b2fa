import { loadConfig } from '../../lib/config.ts';
import { createAddressPolicy } from '../../lib/peers/address.ts';
import { createPostToPeer } from '../../lib/peers/post.ts';
import { forEachIndex, type LoopParams } from '../baselines/loop.ts';
import type { Prepare } from '../contestant.ts';
import { ipOf, LOCAL_UUID } from '../world.ts';

/** The guarded call to a peer alone, in the loop of the baselines: addresses parsed, deadline and caps kept. */
export const prepare: Prepare<LoopParams> = async ({ first, count, port, concurrency, path, body }) => {
  const { peers, sync } = loadConfig({
    LOCAL_UUID,
    REDIS_URL: 'redis://127.0.0.1:1',
    PEER_PORT: String(port),
    PEER_ALLOW_CIDRS: '127.0.0.0/8',
  });
  const policy = createAddressPolicy({ defaultPort: peers.port, allow: peers.allowCidrs });
  const post = createPostToPeer({ policy });
  return {
    async run() {
      await forEachIndex(count, concurrency, async (index) => {
        const parsed = policy.parse(ipOf(first + index));
        if ('refused' in parsed) throw new Error(parsed.refused);
        const outcome = await post({ address: parsed.address, path, body, timeoutMs: sync.timeoutMs });
        if (outcome.kind === 'failed') throw new Error(outcome.error);
        if (outcome.status !== 200) throw new Error(`status ${outcome.status}`);
      });
      return { calls: count };
    },
  };
};
