import type { RunningServer } from '../../kit/http.ts';
import { type Book, openBook } from '../../kit/producer/book.ts';
import { startProducer } from '../../kit/producer/producer.ts';
import { createAddressPolicy } from '../../lib/peers/address.ts';
import { cidr } from '../../lib/peers/ip-space.ts';
import { PRODUCERS, SIMULATED_NETWORK } from './cast.ts';

/** A producer was called: the address it was given and what it answered. */
export interface ProducerCalled {
  readonly kind: 'producer-called';
  readonly name: string;
  readonly ip: string;
  readonly status: number;
}

/** Starts the reference producer for each; `ports` are in the order of `PRODUCERS`. */
export function startProducers(
  ports: readonly number[],
  onEvent: (event: ProducerCalled) => void,
): Promise<RunningServer[]> {
  const policy = createAddressPolicy({ defaultPort: 80, allow: [cidr(SIMULATED_NETWORK)] });
  return Promise.all(
    PRODUCERS.flatMap(({ name, failures }, index) => {
      const port = ports[index];
      if (port === undefined) return [];
      return startProducer({
        book: failing(openBook(), failures),
        policy,
        listen: { host: '127.0.0.1', port },
        onEvent: ({ ip, status }) => onEvent({ kind: 'producer-called', name, ip, status }),
      });
    }),
  );
}

/** uuid and address of every producer, as a flat list for HSET. */
export function knownProducers(ports: readonly number[]): string[] {
  return PRODUCERS.flatMap(({ uuid }, index) => [uuid, `127.0.0.1:${ports[index]}`]);
}

/** A book that cannot be written the first times, as on a disk that is full. */
function failing(book: Book, failures: number): Book {
  let left = failures;
  return {
    get size() {
      return book.size;
    },
    get: book.get,
    async set(uuid, held) {
      if (left > 0) {
        left -= 1;
        throw new Error('no space left on device');
      }
      await book.set(uuid, held);
    },
  };
}
