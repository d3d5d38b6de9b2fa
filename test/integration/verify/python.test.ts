import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKeyPair } from '../../../lib/peers/signing.ts';
import { needsTool } from '../../support/needs-tool.ts';
import { freePorts } from '../../support/ports.ts';
import { startPythonPeer } from '../../support/python.ts';
import { needsRealRedis, startTestRedis } from '../../support/redis.ts';
import { p2p } from '../cli/harness.ts';
import { newUuid } from '../kit/harness.ts';

/** Peers in another language, written from docs/ alone. */
const options = { ...needsRealRedis(), ...needsTool('python3') };
const pair = createKeyPair();

function peerEnv(signer: string, port: number) {
  return { LISTEN: String(port), PEER_KEYS: `${signer}=${pair.publicKey}`, ADDRESSES: `127.0.0.1:${port}` };
}

function verdictOf(out: string): unknown {
  const { findings } = JSON.parse(out) as { findings: { result: string }[] };
  return findings.filter(({ result }) => result !== 'holds');
}

test('the consumer API in Python keeps every rule', options, async (t) => {
  const redis = await startTestRedis(t, { engine: 'real' });
  const { world: port, rest: peerPort } = await freePorts();
  const signer = newUuid();
  await startPythonPeer(t, 'consumer_api', {
    ...peerEnv(signer, port),
    LOCAL_UUID: newUuid(),
    REDIS_URL: redis.tcpUrl,
    REDIS_PREFIX: '{python}:',
    PEER_ALLOW_CIDRS: '127.0.0.0/8',
    PEER_PORT: String(peerPort),
  });
  const run = await p2p(
    [
      ['verify', 'consumer', `127.0.0.1:${port}`, '--allow', '127.0.0.0/8', '--json'],
      ['--redis', redis.tcpUrl, '--prefix', '{python}:', '--port', String(peerPort), '--as', signer],
    ].flat(),
    { env: { SIGNING_KEY: pair.secretKey } },
  );
  assert.deepEqual(verdictOf(run.out), []);
  assert.equal(run.code, 0);
});

test('the producer in Python keeps every rule', options, async (t) => {
  const { world: port } = await freePorts();
  const signer = newUuid();
  await startPythonPeer(t, 'producer', peerEnv(signer, port));
  const run = await p2p(
    ['verify', 'producer', `127.0.0.1:${port}`, '--allow', '127.0.0.0/8', '--json', '--as', signer],
    { env: { SIGNING_KEY: pair.secretKey } },
  );
  assert.deepEqual(verdictOf(run.out), []);
  assert.equal(run.code, 0);
});
