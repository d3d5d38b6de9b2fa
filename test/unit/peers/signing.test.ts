import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { describe, test } from 'node:test';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { createKeyPair, createSigner, parseSigningKey, type SigningKey } from '../../../lib/peers/signing.ts';
import { verifyEd25519 } from '../../support/ed25519.ts';

/** Published by the scheme's reference server; the signature is the one in the specification's own example. */
const REFERENCE = {
  secret: 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==',
  public: 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
  content: 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}',
  signature: 'hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==',
};

const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
const addressOf = (raw: string) => {
  const parsed = policy.parse(raw);
  assert.ok('address' in parsed);
  return parsed.address;
};
const keyOf = (text: string): SigningKey => {
  const key = parseSigningKey(text);
  assert.ok(key, text);
  return key;
};
const bytesOf = (publicKey: string) => Buffer.from(publicKey.replace('whpk_', ''), 'base64');
const request = {
  address: addressOf('8.8.4.4'),
  path: '/ip',
  body: '{"uuid":"ü","ip":"8.8.8.8"}',
  epoch: '7',
};

describe('the verifier of these tests', () => {
  test('accepts the vectors of RFC 8032, 7.1, and of the reference server', () => {
    const vectors = [
      [
        'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
        '',
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
      ],
      [
        '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
        '72',
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
      ],
    ] as const;
    for (const [key, message, signature] of vectors) {
      assert.ok(
        verifyEd25519(Buffer.from(key, 'hex'), Buffer.from(message, 'hex'), Buffer.from(signature, 'hex')),
      );
    }
    const { content, signature } = REFERENCE;
    assert.ok(
      verifyEd25519(bytesOf(REFERENCE.public), Buffer.from(content), Buffer.from(signature, 'base64')),
    );
  });

  test('refuses another message, another key and another signature', () => {
    const key = bytesOf(REFERENCE.public);
    const message = Buffer.from(REFERENCE.content);
    const signature = Buffer.from(REFERENCE.signature, 'base64');
    const changed = (bytes: Buffer, at: number) => Buffer.from(bytes).fill((bytes[at] ?? 0) ^ 1, at, at + 1);
    assert.ok(!verifyEd25519(key, changed(message, 3), signature));
    assert.ok(!verifyEd25519(changed(key, 5), message, signature));
    assert.ok(!verifyEd25519(key, message, changed(signature, 2)));
    assert.ok(!verifyEd25519(key, message, changed(signature, 40)));
  });
});

describe('a signed request', () => {
  test('is verified by an implementation that shares nothing with ours', () => {
    const pair = createKeyPair();
    const headers = createSigner([keyOf(pair.secretKey)])?.(request, 1_800_000_000_999) ?? {};

    assert.deepEqual(Object.keys(headers), ['webhook-id', 'webhook-timestamp', 'webhook-signature']);
    assert.equal(headers['webhook-timestamp'], '1800000000');
    const [version, signature = ''] = headers['webhook-signature']?.split(',') ?? [];
    assert.equal(version, 'v1a');
    const content = Buffer.from(`${headers['webhook-id']}.1800000000.${request.body}`);
    assert.ok(verifyEd25519(bytesOf(pair.publicKey), content, Buffer.from(signature, 'base64')));
  });

  test('has an id that names path, epoch and the address that is dialled, and is new each time', () => {
    const sign = createSigner([keyOf(REFERENCE.secret)]);
    const idOf = (raw: string, path = '/sync') =>
      sign?.({ address: addressOf(raw), path, body: '{}', epoch: '0' }, 0)['webhook-id'] ?? '';
    const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';

    assert.match(idOf('8.8.8.8'), new RegExp(`^sync_0_${UUID}_8-8-8-8:80$`));
    assert.match(idOf('[2a00:1450::1]:8080', '/ip'), new RegExp(`^ip_0_${UUID}_\\[2a00:1450::1\\]:8080$`));
    assert.equal(new Set(Array.from({ length: 100 }, () => idOf('8.8.8.8'))).size, 100);
    assert.ok(!idOf('8.8.8.8').includes('.'), 'a dot would let id and timestamp be read in two ways');
  });

  test('has a signature of each of two keys', () => {
    const pairs = [createKeyPair(), createKeyPair()];
    const headers = createSigner(pairs.map(({ secretKey }) => keyOf(secretKey)))?.(request, 0) ?? {};
    const content = Buffer.from(`${headers['webhook-id']}.0.${request.body}`);
    const signatures = headers['webhook-signature']?.split(' ') ?? [];

    assert.equal(signatures.length, 2);
    for (const [i, { publicKey }] of pairs.entries()) {
      assert.ok(
        verifyEd25519(
          bytesOf(publicKey),
          content,
          Buffer.from(signatures[i]?.replace('v1a,', '') ?? '', 'base64'),
        ),
      );
    }
  });

  test('needs a key', () => {
    assert.equal(createSigner([]), undefined);
  });
});

describe('a signing key', () => {
  test('is read with and without its public half, and signs as the reference server does', () => {
    const seed = Buffer.from(REFERENCE.secret.slice(5), 'base64').subarray(0, 32);
    for (const text of [REFERENCE.secret, `whsk_${seed.toString('base64')}`]) {
      const key = keyOf(text);
      assert.ok(
        verify(
          null,
          Buffer.from(REFERENCE.content),
          createPublicKey(key.privateKey),
          Buffer.from(REFERENCE.signature, 'base64'),
        ),
      );
    }
  });

  test('that is none is refused', () => {
    const base64 = REFERENCE.secret.slice(5);
    const otherPublicHalf = Buffer.from(base64, 'base64').fill(1, 40, 41).toString('base64');
    for (const text of [
      '',
      'whsk_',
      base64,
      REFERENCE.public,
      `whsec_${base64}`,
      `whsk_${base64.slice(0, -4)}`,
      `whsk_${base64}AAAA`,
      `whsk_${base64} `,
      ` whsk_${base64}`,
      `whsk_${base64.replace('/', '_')}`,
      `whsk_${base64.replace(/=+$/, '')}`,
      `whsk_${otherPublicHalf}`,
      `whsk_${'é'.repeat(43)}`,
    ]) {
      assert.equal(parseSigningKey(text), undefined, text);
    }
  });

  test('that was just made is read back, has 64 bytes, and is no other', () => {
    const [first, second] = [createKeyPair(), createKeyPair()];
    assert.ok(keyOf(first.secretKey));
    const halves = Buffer.from(first.secretKey.slice(5), 'base64');
    assert.equal(halves.length, 64);
    assert.equal(first.publicKey, `whpk_${halves.subarray(32).toString('base64')}`);
    assert.notEqual(first.secretKey, second.secretKey);
  });
});
