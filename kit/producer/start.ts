// npx node kit/producer/start.ts: runs the reference producer. It takes the variables of kit/settings.ts, `PEER_ALLOW_CIDRS`,
// and `BOOK`, the file in which addresses are kept. Exit code 78 for a configuration that cannot be used.
import * as v from 'valibot';
import { ConfigError } from '../../lib/errors.ts';
import { createAddressPolicy } from '../../lib/peers/address.ts';
import { cidrs } from '../../lib/variable-checks.ts';
import { runKit } from '../run.ts';
import { readKitSettings } from '../settings.ts';
import { openBook } from './book.ts';
import { startProducer } from './producer.ts';

await runKit(async () => {
  const { env } = process;
  const allow = v.safeParse(cidrs, env.PEER_ALLOW_CIDRS ?? '');
  if (!allow.success) throw new ConfigError([`PEER_ALLOW_CIDRS ${allow.issues[0].message}`]);
  const producer = await startProducer({
    book: openBook(env.BOOK || undefined),
    policy: createAddressPolicy({ defaultPort: 80, allow: allow.output }),
    ...readKitSettings(env),
    onEvent: ({ uuid, ip, status }) => console.log(`${uuid} is at ${ip}: answered ${status}`),
  });
  console.log(`The producer listens on port ${producer.port}.`);
  return () => producer.stop();
});
