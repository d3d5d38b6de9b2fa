import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readKitSettings } from '../../../kit/settings.ts';
import { createVerifier } from '../../../kit/signature.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { createKeyPair, createSigner, parseSigningKey } from '../../../lib/peers/signing.ts';

const UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';
const { secretKey, publicKey } = createKeyPair();
const PEER_KEYS = `${UUID}=${publicKey}`;
const policy = createAddressPolicy({ defaultPort: 80, allow: [] });

/** Whether a peer with these ADDRESSES takes a request that was signed for the address. */
function accepts(ADDRESSES: string, dialled: string): boolean {
  const { addresses, keys } = readKitSettings({ ADDRESSES, PEER_KEYS });
  const parsed = policy.parse(dialled);
  const key = parseSigningKey(secretKey);
  assert.ok('address' in parsed && key !== undefined);
  const request = { address: parsed.address, path: '/ip', body: '{}', epoch: '7' };
  const headers = createSigner([key])?.(request, Date.now()) ?? {};
  const verify = createVerifier(addresses);
  return verify({ path: '/ip', headers, body: Buffer.from('{}') }, [...keys.values()].flat()) === 7;
}

describe('ADDRESSES of a reference peer', () => {
  test('may be spelled as their owner likes', () => {
    assert.ok(accepts('8.8.8.8:80', '8.8.8.8'));
    assert.ok(accepts('[2600:1F18:0::0009]:8080', '[2600:1f18::9]:8080'));
    assert.ok(!accepts('8.8.8.8:81', '8.8.8.8'));
  });

  test('are refused where no sender would know one by that name', () => {
    const wrong = [
      '8.8.8.8',
      '2600:1f18::9',
      '2600:1f18::9:80',
      '[2600:1f18::9]',
      '8.8.8.8:0',
      '8.8.8.8:080',
    ];
    for (const ADDRESSES of [...wrong, 'example.org:80', '[::ffff:8.8.8.8]:80', '8.8.8.8:80;8.8.4.4:80']) {
      assert.throws(() => readKitSettings({ ADDRESSES }), /ADDRESSES must be a comma list/, ADDRESSES);
    }
  });

  test('are required where signatures are verified: without them none is genuine', () => {
    assert.throws(() => readKitSettings({ PEER_KEYS }), /ADDRESSES is required with PEER_KEYS/);
  });
});

test('LISTEN takes a port, or an address with a port', () => {
  assert.deepEqual(readKitSettings({}).listen, { port: 80 });
  assert.deepEqual(readKitSettings({ LISTEN: '[2001:DB8::1]:8080' }).listen, {
    port: 8080,
    host: '2001:db8::1',
  });
  for (const LISTEN of ['::80', 'http://127.0.0.1:80', ':80', '127.0.0.1:', '70000']) {
    assert.throws(() => readKitSettings({ LISTEN }), /LISTEN must be a port/, LISTEN);
  }
});

test('PROXIES are compared as connections show them', () => {
  assert.deepEqual(readKitSettings({ PROXIES: '::ffff:10.0.0.1, 2001:DB8::1' }).proxies, [
    '10.0.0.1',
    '2001:db8::1',
  ]);
});
