import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openBook } from '../../../kit/producer/book.ts';
import { startProducer } from '../../../kit/producer/producer.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { EPOCH_HEADER } from '../../../lib/peers/post.ts';
import { createKeyPair, createSigner, parseSigningKey } from '../../../lib/peers/signing.ts';
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

test('it keeps the newest address, and answers 2xx to an older one', async (t) => {
  const { book, uuid, tell } = await producer(t);
  const now = Date.now();
  assert.equal((await tell('8.8.8.8', now)).status, 200);
  assert.deepEqual((await tell('8.8.4.4', now - 1)).fields, { ip: '8.8.8.8', epoch: now });
  assert.equal((await tell('8.8.4.4', now)).status, 200, 'the same epoch counts');
  assert.deepEqual(book.get(uuid), { ip: '8.8.4.4', epoch: now });
  await tell('2001:4860:4860::8888', now + 1);
  assert.deepEqual(book.get(uuid), { ip: '2001:4860:4860::8888', epoch: now + 1 });
});

test('an epoch from far ahead does not lock out the next true change', async (t) => {
  const { book, uuid, tell } = await producer(t);
  const now = Date.now();
  await tell('8.8.8.8', now);
  await tell('1.1.1.1', '9007199254740991');
  assert.deepEqual(book.get(uuid), { ip: '1.1.1.1', epoch: now }, 'the address is taken, the epoch is not');
  await tell('8.8.4.4', now + 60_000);
  assert.equal(book.get(uuid)?.ip, '8.8.4.4');
});

test('an address with a port, a private one, and what is none are refused', async (t) => {
  const { book, tell } = await producer(t);
  for (const ip of ['8.8.8.8:80', '[2001:4860:4860::8888]', '10.0.0.1', 'example.org', '', 7, null]) {
    assert.equal((await tell(ip, Date.now())).status, 400, String(ip));
  }
  assert.equal(book.size, 0);
});

test('whoever has a key is believed only what is signed, and by the epoch that is signed', async (t) => {
  const { secretKey, publicKey } = createKeyPair();
  const key = parseSigningKey(secretKey) ?? assert.fail();
  const signer = newUuid();
  const { book, port, tell } = await producer(t, {
    keys: new Map([[signer, [publicKey]]]),
    addresses: ['8.8.8.8:80'],
  });
  const parsed = policy.parse('8.8.8.8');
  assert.ok('address' in parsed);
  const body = JSON.stringify({ uuid: signer, ip: '8.8.8.8' });
  const signed = createSigner([key])?.(
    { address: parsed.address, path: '/ip', body, epoch: '42' },
    Date.now(),
  );
  const post = (headers: object) =>
    postFrom('127.0.0.1', `127.0.0.1:${port}`, '/ip', body, {
      headers: { ...headers, [EPOCH_HEADER]: '77' },
    });

  assert.equal((await tell('8.8.8.8', 42, signer)).status, 401, 'not signed');
  assert.equal((await post({ ...signed, 'webhook-id': 'ip_43' })).status, 401, 'changed');
  assert.equal(book.get(signer), undefined);
  assert.equal((await post({ ...signed })).status, 200);
  assert.deepEqual(book.get(signer), { ip: '8.8.8.8', epoch: 42 });
  assert.equal((await post({ ...signed })).status, 401, 'the same id a second time');
});

test('new uuids are bounded for one address; a known one is always served', async (t) => {
  const { book, tell, uuid } = await producer(t);
  await tell('8.8.8.8', 1);
  const replies = [];
  for (let i = 0; i < 20; i++) replies.push((await tell('8.8.8.8', 1, newUuid())).status);
  assert.equal(replies.filter((status) => status === 200).length, 7);
  assert.equal(replies.filter((status) => status === 429).length, 13);
  await tell('8.8.4.4', 2);
  assert.equal(book.get(uuid)?.ip, '8.8.4.4');
});

test('what was answered with 2xx is still there after a restart, and what cannot be kept is answered with 503', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'book.json');
  const { tell, uuid } = await producer(t, { book: openBook(file) });
  await Promise.all([tell('8.8.8.8', 1), tell('8.8.4.4', 2), tell('8.8.8.8', 1, newUuid())]);
  assert.deepEqual(openBook(file).get(uuid), { ip: '8.8.4.4', epoch: 2 });
  assert.equal(openBook(file).size, 2);

  const nowhere = await producer(t, { book: openBook(join(folder, 'no', 'such', 'folder')) });
  const reply = await nowhere.tell('8.8.8.8', 1);
  assert.deepEqual([reply.status, reply.headers['retry-after']], [503, '60']);
});
