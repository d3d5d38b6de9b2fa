import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createInvoke } from '../../lib/lambda/invoke.ts';
import { startPeer } from '../support/peer-server.ts';

/** Lambda's invoke endpoint as far as the SDK sees it. */
const lambda = await startPeer({ after });
Object.assign(process.env, {
  AWS_ENDPOINT_URL_LAMBDA: `http://${lambda.address}`,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
});

test('starts a function asynchronously, at the endpoint that the environment names', async () => {
  lambda.respond({ status: 202 });

  await createInvoke()('p2p-test-producer-notify', { changed: { ip: '203.0.113.7', epoch: 5 } });

  const [request] = lambda.requests;
  assert.deepEqual(
    [request?.method, request?.path, request?.headers['x-amz-invocation-type'], request?.body],
    [
      'POST',
      '/2015-03-31/functions/p2p-test-producer-notify/invocations',
      'Event',
      '{"changed":{"ip":"203.0.113.7","epoch":5}}',
    ],
  );
});

test('asks again when Lambda is throttled, and rejects when it stays so', async () => {
  const before = lambda.requests.length;
  lambda.respond({ status: 429, headers: { 'x-amzn-errortype': 'TooManyRequestsException' }, body: '{}' });

  await assert.rejects(createInvoke()('p2p-test-sync', {}), { name: 'TooManyRequestsException' });

  assert.ok(lambda.requests.length - before > 1);
});

test('rejects when the function does not exist', async () => {
  const before = lambda.requests.length;
  lambda.respond({ status: 404, headers: { 'x-amzn-errortype': 'ResourceNotFoundException' }, body: '{}' });

  await assert.rejects(createInvoke()('p2p-test-nobody', {}), { name: 'ResourceNotFoundException' });

  assert.equal(lambda.requests.length - before, 1, 'repeating cannot help');
});

test('rejects what Lambda answers without accepting it', async () => {
  lambda.respond({ status: 200, body: '{}' });

  await assert.rejects(
    createInvoke()('p2p-test-sync', {}),
    /did not accept the invocation of p2p-test-sync: status 200/,
  );
});
