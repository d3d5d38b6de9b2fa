import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { createVerifier } from '../../../kit/signature.ts';
import { createParts } from '../../../lib/app.ts';
import { loadConfig } from '../../../lib/config.ts';
import { EPOCH_HEADER, type PeerRequest } from '../../../lib/peers/post.ts';
import { createKeyPair, parseSigningKey } from '../../../lib/peers/signing.ts';
import { silentLog } from '../../support/log.ts';
import { needsTool } from '../../support/needs-tool.ts';
import { type RecordedRequest, startPeer } from '../../support/peer-server.ts';

type Received = Pick<RecordedRequest, 'path' | 'headers' | 'body'>;
type IsGenuine = (
  request: Received,
  keys: readonly string[],
  addresses: readonly string[],
  nowMs?: number,
) => boolean;

const docs = await readFile(new URL('../../../docs/SIGNING.md', import.meta.url), 'utf8');
const example = (language: string) =>
  new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(docs)?.[1] ??
  assert.fail(`docs/SIGNING.md has no verifier in ${language}`);

const inTypeScript: IsGenuine = ({ path, headers, body }, keys, addresses, nowMs = Date.now()) =>
  createVerifier(addresses, () => nowMs)({ path, headers, body: Buffer.from(body) }, keys) !== undefined;

/** Runs the very lines that docs/SIGNING.md gives to an author in Python, one process a request. */
const inPython: IsGenuine = ({ path, headers, body }, keys, addresses, nowMs = Date.now()) => {
  const call = `
import json, sys
given = json.load(sys.stdin)
verify = make_verifier(given["addresses"], lambda: given["now"])
print(verify(given["path"], given["headers"], given["body"].encode(), given["keys"]) is not None)`;
  const input = JSON.stringify({ path, headers, body, keys, addresses, now: nowMs / 1_000 });
  const output = execFileSync('python3', ['-c', example('python') + call], { input, encoding: 'utf8' });
  return output.trim() === 'True';
};

const VERIFIERS = [
  { language: 'TypeScript', isGenuine: inTypeScript, needs: {} },
  { language: 'Python', isGenuine: inPython, needs: needsTool('python3') },
];

test('the TypeScript that docs/SIGNING.md shows is the module of the kit', async () => {
  const module = await readFile(new URL('../../../kit/signature.ts', import.meta.url), 'utf8');
  assert.equal(example('ts'), module);
});

const pair = createKeyPair();

/** Calls a peer as the app does with that configuration, and answers what the peer got. */
async function call(t: TestContext, env: Record<string, string>, more: Partial<PeerRequest> = {}) {
  const peer = await startPeer(t);
  const config = loadConfig({
    LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
    REDIS_URL: 'redis://127.0.0.1:1',
    PEER_ALLOW_CIDRS: '127.0.0.1/32',
    ...env,
  });
  const { post, policy, redis } = createParts({
    config,
    log: silentLog,
    invoke: async () => {},
  });
  t.after(() => redis.close());
  const parsed = policy.parse(peer.address);
  assert.ok('address' in parsed);
  const outcome = await post({
    address: parsed.address,
    path: '/ip',
    body: '{"uuid":"1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b","ip":"8.8.8.8"}',
    headers: { [EPOCH_HEADER]: '42' },
    timeoutMs: 5_000,
    ...more,
  });
  assert.equal(outcome.kind, 'replied');
  const [received] = peer.requests;
  assert.ok(received);
  return { received, address: peer.address };
}

for (const { language, isGenuine, needs } of VERIFIERS) {
  test(`what SIGNING_KEY signs, the docs' ${language} takes for genuine`, needs, async (t) => {
    const { received, address } = await call(t, { SIGNING_KEY: pair.secretKey });
    assert.ok(isGenuine(received, [pair.publicKey], [address]));
    assert.ok(isGenuine(received, [createKeyPair().publicKey, pair.publicKey], ['8.8.8.8:80', address]));
    assert.equal(received.headers['webhook-id']?.toString().split('_')[1], '42', 'the epoch is signed');

    const probe = await call(t, { SIGNING_KEY: pair.secretKey }, { path: '/sync', headers: {} });
    assert.ok(isGenuine(probe.received, [pair.publicKey], [probe.address]));
  });

  test(
    `what was changed, passed on, kept for long or signed by another is not genuine (${language})`,
    needs,
    async (t) => {
      const { received, address } = await call(t, { SIGNING_KEY: pair.secretKey });
      const { headers } = received;
      const id = String(headers['webhook-id']);
      const keys = [pair.publicKey];
      const changed = (name: string, value: string) => ({
        ...received,
        headers: { ...headers, [name]: value },
      });
      const fakes: Record<string, Received> = {
        'another body': { ...received, body: received.body.replace('8.8.8.8', '8.8.4.4') },
        'the same body, printed anew': {
          ...received,
          body: JSON.stringify(JSON.parse(received.body), null, 1),
        },
        'another path': { ...received, path: '/sync' },
        'another epoch': changed('webhook-id', id.replace('_42_', '_43_')),
        'another time': changed('webhook-timestamp', String(Number(headers['webhook-timestamp']) + 1)),
        'no signature': changed('webhook-signature', ''),
        'a cut signature': changed('webhook-signature', String(headers['webhook-signature']).slice(0, -8)),
        'another scheme': changed(
          'webhook-signature',
          String(headers['webhook-signature']).replace('v1a', 'v1'),
        ),
        'no headers': { ...received, headers: {} },
      };
      for (const [what, fake] of Object.entries(fakes)) assert.ok(!isGenuine(fake, keys, [address]), what);
      assert.ok(!isGenuine(received, [createKeyPair().publicKey], [address]), 'another key');
      assert.ok(!isGenuine(received, keys, ['127.0.0.1:81', '127.0.0.2:80']), 'for another recipient');
      assert.ok(!isGenuine(received, keys, [address], Date.now() + 330_000), 'five minutes later');
      assert.ok(!isGenuine(received, keys, [address], Date.now() - 330_000), 'five minutes earlier');
    },
  );

  test(`during a rotation peers accept the old key and the new one (${language})`, needs, async (t) => {
    const next = createKeyPair();
    const { received, address } = await call(t, { SIGNING_KEY: `${pair.secretKey}, ${next.secretKey}` });
    assert.ok(isGenuine(received, [pair.publicKey], [address]));
    assert.ok(isGenuine(received, [next.publicKey], [address]));
  });
}

test('an id counts once', async (t) => {
  const { received, address } = await call(t, { SIGNING_KEY: pair.secretKey });
  const verify = createVerifier([address]);
  const request = { ...received, body: Buffer.from(received.body) };
  assert.equal(verify(request, [pair.publicKey]), 42);
  assert.equal(verify(request, [pair.publicKey]), undefined);
});

test('signing changes nothing but three headers, and without a key there are none', async (t) => {
  const plain = await call(t, {});
  const signed = await call(t, { SIGNING_KEY: pair.secretKey });
  const names = ({ rawHeaders }: RecordedRequest) => rawHeaders.filter((_, i) => i % 2 === 0);
  const added = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];

  assert.equal(signed.received.body, plain.received.body);
  assert.deepEqual(
    names(signed.received).filter((name) => !added.includes(name)),
    names(plain.received),
  );
  assert.deepEqual(
    names(signed.received).filter((name) => added.includes(name)),
    added,
  );
});

test('keygen prints a pair that belongs together', async () => {
  const child = spawn(process.execPath, ['local/keygen.ts'], {
    cwd: new URL('../../..', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = await text(child.stdout);
  const secret = /^SIGNING_KEY=(whsk_\S+)$/m.exec(output)?.[1];
  assert.ok(secret !== undefined && parseSigningKey(secret), 'the secret key');
  const publicHalf = Buffer.from(secret.slice(5), 'base64').subarray(32).toString('base64');
  assert.equal(/^whpk_\S+$/m.exec(output)?.[0], `whpk_${publicHalf}`);
  assert.equal(loadConfig({ ...MINIMAL, SIGNING_KEY: secret }).signing.keys.length, 1);
});

const MINIMAL = { LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b', REDIS_URL: 'redis://127.0.0.1:1' };

test('a SIGNING_KEY that is none is an error without its value', () => {
  for (const bad of [
    'whsk_hunter2',
    pair.publicKey,
    `${pair.secretKey},hunter2`,
    Array(3).fill(pair.secretKey).join(),
  ]) {
    assert.throws(
      () => loadConfig({ ...MINIMAL, SIGNING_KEY: bad }),
      ({ message }: Error) =>
        message.includes('SIGNING_KEY must be one key') &&
        !message.includes('hunter2') &&
        !message.includes(pair.secretKey.slice(5)),
    );
  }
});
