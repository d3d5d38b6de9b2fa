import type { RunningServer } from '../../kit/http.ts';
import { openBook } from '../../kit/producer/book.ts';
import { startProducer } from '../../kit/producer/producer.ts';
import { createAddressPolicy } from '../../lib/peers/address.ts';
import { inhabit, report } from './inhabitant.ts';

/** Reference producers, each at an address of its own, that report whom they were told about. */

const running: RunningServer[] = [];

inhabit(
  {
    start: () => {},
    producer: async (at: string) => {
      const producer = await startProducer({
        book: openBook(),
        policy: createAddressPolicy({ defaultPort: 80, allow: [] }),
        listen: { host: at, port: 80 },
        onEvent: ({ uuid, ip, status }) => status === 200 && report({ producer: at, uuid, ip }),
      });
      running.push(producer);
    },
  },
  async () => {
    for (const producer of running) await producer.stop();
  },
);
