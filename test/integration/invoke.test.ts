import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { createInvoke } from '../../lib/lambda/invoke.ts';

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly type: unknown;
  readonly body: string;
}

const received: Received[] = [];
let reply: { status: number; headers?: Record<string, string>; body?: string } = { status: 202 };

/** Lambda's invoke endpoint as far as the SDK sees it. */
const lambda = createServer(async (request, response) => {
  const { method, url, headers } = request;
  received.push({ method, url, type: headers['x-amz-invocation-type'], body: await text(request) });
  response.writeHead(reply.status, reply.headers).end(reply.body);
});

before(async () => {
  lambda.listen(0, '127.0.0.1');
  await once(lambda, 'listening');
  const { port } = lambda.address() as AddressInfo;
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_LAMBDA: `http://127.0.0.1:${port}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  });
});

after(() => {
  lambda.close();
  lambda.closeAllConnections();
});

test('starts a function asynchronously, at the endpoint that the environment names', async () => {
  reply = { status: 202 };

  await createInvoke()('p2p-test-producer-notify', { changed: { ip: '203.0.113.7', epoch: 5 } });

  assert.deepEqual(received.splice(0), [
    {
      method: 'POST',
      url: '/2015-03-31/functions/p2p-test-producer-notify/invocations',
      type: 'Event',
      body: '{"changed":{"ip":"203.0.113.7","epoch":5}}',
    },
  ]);
});

test('asks again when Lambda is throttled, and rejects when it stays so', async () => {
  reply = { status: 429, headers: { 'x-amzn-errortype': 'TooManyRequestsException' }, body: '{}' };

  await assert.rejects(createInvoke()('p2p-test-sync', {}), { name: 'TooManyRequestsException' });

  assert.ok(received.splice(0).length > 1);
});

test('rejects when the function does not exist', async () => {
  reply = { status: 404, headers: { 'x-amzn-errortype': 'ResourceNotFoundException' }, body: '{}' };

  await assert.rejects(createInvoke()('p2p-test-nobody', {}), { name: 'ResourceNotFoundException' });

  assert.equal(received.splice(0).length, 1, 'repeating cannot help');
});

test('rejects what Lambda answers without accepting it', async () => {
  reply = { status: 200, body: '{}' };

  await assert.rejects(
    createInvoke()('p2p-test-sync', {}),
    /did not accept the invocation of p2p-test-sync: status 200/,
  );

  received.splice(0);
});
