import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openBook } from '../../../kit/producer/book.ts';
import { startProducer } from '../../../kit/producer/producer.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { EPOCH_HEADER } from '../../../lib/peers/post.ts';
import { temporaryFolder } from '../../support/owner.ts';
import { postFrom } from '../../support/post-from.ts';
import { newUuid } from './harness.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [] });

async function producer(t: TestContext, options: Partial<Parameters<typeof startProducer>[0]> = {}) {
  const book = options.book ?? openBook();
  const { port, stop } = await startProducer({ book, policy, listen: { port: 0 }, ...options });
  t.after(stop);
  const uuid = newUuid();
  const tell = (ip: unknown, epoch?: number | string, who: string = uuid) =>
    postFrom(
      '127.0.0.1',
      `127.0.0.1:${port}`,
      '/ip',
      { uuid: who, ip },
      {
        headers: epoch === undefined ? {} : { [EPOCH_HEADER]: String(epoch) },
      },
    );
  return { book, uuid, tell, port };
}

test('what was answered with 2xx is still there after a restart, and what cannot be kept is answered with 503', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'book.json');
  const { tell, uuid } = await producer(t, { book: openBook(file) });
  await Promise.all([tell('8.8.8.8', 1), tell('8.8.4.4', 2), tell('8.8.8.8', 1, newUuid())]);
  assert.deepEqual(openBook(file).get(uuid), { ip: '8.8.4.4', epoch: 2 });
  assert.equal(openBook(file).size, 2);

  for (const text of ['', '[]', 'Kept by somebody else']) {
    writeFileSync(file, text);
    assert.throws(() => openBook(file), /BOOK must name a file of this producer's own/);
    assert.equal(readFileSync(file, 'utf8'), text);
  }

  const nowhere = await producer(t, { book: openBook(join(folder, 'no', 'such', 'folder')) });
  const reply = await nowhere.tell('8.8.8.8', 1);
  assert.deepEqual([reply.status, reply.headers['retry-after']], [503, '60']);
});
