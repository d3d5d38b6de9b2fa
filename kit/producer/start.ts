// npx node kit/producer/start.ts: runs the reference producer. It takes the variables of kit/settings.ts, `PEER_ALLOW_CIDRS`,
// and `BOOK`, the file in which addresses are kept. Exit code 78 for a configuration that cannot be used.
import { ConfigError } from '../../lib/errors.ts';
import { createAddressPolicy } from '../../lib/peers/address.ts';
import { parseCidr } from '../../lib/peers/ip-space.ts';
import { runKit } from '../run.ts';
import { readKitSettings } from '../settings.ts';
import { openBook } from './book.ts';
import { startProducer } from './producer.ts';

await runKit(async () => {
  const { env } = process;
  const allow = (env.PEER_ALLOW_CIDRS ?? '')
    .split(',')
    .filter(Boolean)
    .map((text) => {
      const range = parseCidr(text.trim());
      if (range === undefined) throw new ConfigError(['PEER_ALLOW_CIDRS must be a comma list of networks']);
      return range;
    });
  const producer = await startProducer({
    book: openBook(env.BOOK || undefined),
    policy: createAddressPolicy({ defaultPort: 80, allow }),
    ...readKitSettings(env),
    onEvent: ({ uuid, ip, status }) => console.log(`${uuid} is at ${ip}: answered ${status}`),
  });
  console.log(`The producer listens on port ${producer.port}.`);
  return () => producer.stop();
});
