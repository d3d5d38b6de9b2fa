import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { parseUuid, type Uuid } from '../../../lib/peers/uuid.ts';
import { createHeardBuffer, type Hearsay } from '../../../lib/sync/heard.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [] });

function hearsay(n: number, ip = '8.8.8.8'): Hearsay {
  const uuid = parseUuid(`10000000-0000-4000-8000-${String(n).padStart(12, '0')}`) as Uuid;
  const parsed = policy.parse(ip);
  if ('refused' in parsed) throw new Error(parsed.refused);
  return { uuid, address: parsed.address, raw: ip, from: uuid };
}

test('of two addresses for one uuid the first is kept', () => {
  const buffer = createHeardBuffer(() => 0);
  buffer.add(hearsay(1, '8.8.8.8'));
  buffer.add(hearsay(1, '9.9.9.9'));
  assert.deepEqual(
    buffer.take().map(({ raw }) => raw),
    ['8.8.8.8'],
  );
});

test('taking empties it', () => {
  const buffer = createHeardBuffer(() => 0);
  buffer.add(hearsay(1));
  assert.equal(buffer.size, 1);
  assert.equal(buffer.take().length, 1);
  assert.equal(buffer.size, 0);
  buffer.add(hearsay(1));
  assert.equal(buffer.size, 1);
});

test('it holds 1,000 at most, and who comes late still has a chance', () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const buffer = createHeardBuffer(random);
  for (let n = 0; n < 10_000; n++) buffer.add(hearsay(n));
  const taken = buffer.take();
  assert.equal(taken.length, 1_000);
  assert.equal(new Set(taken.map(({ uuid }) => uuid)).size, 1_000);
  const late = taken.filter(({ uuid }) => Number(uuid.slice(-12)) >= 5_000).length;
  assert.ok(late > 400 && late < 600, `${late} of the later half`);
});
