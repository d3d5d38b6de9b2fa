import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { RedisUnavailableError } from '../../../lib/errors.ts';
import { createRedis } from '../../../lib/redis/client.ts';
import { startTestRedis } from '../../support/redis.ts';
import { runModule } from '../../support/run-module.ts';

const FIXTURES = new URL('../../fixtures/tls/', import.meta.url);

/** TLS in front of a Redis, with a certificate for `localhost` that our test CA alone has signed. */
async function startTlsRedis(t: TestContext): Promise<string> {
  const { tcpUrl } = await startTestRedis(t);
  const server = createServer(
    {
      cert: await readFile(new URL('localhost.pem', FIXTURES)),
      key: await readFile(new URL('localhost.key', FIXTURES)),
    },
    (socket) => {
      const behind = connect(Number(new URL(tcpUrl).port), '127.0.0.1');
      for (const end of [socket, behind]) end.on('error', () => {});
      socket.pipe(behind).pipe(socket);
    },
  );
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1' }, resolve));
  t.after(() => void server.close());
  return `rediss://localhost:${(server.address() as AddressInfo).port}`;
}

describe('rediss://', () => {
  test('is refused, unsent and unrepeated, where the certificate is not trusted', async (t) => {
    const redis = createRedis({ url: await startTlsRedis(t) });
    t.after(() => redis.close());

    await assert.rejects(redis.send([['SET', 'a', '1']], { repeatable: true }), (error) => {
      assert.ok(error instanceof RedisUnavailableError);
      assert.equal(error.mayHaveRun, false);
      assert.match(error.message, /cannot be reached \((UNABLE_TO|SELF_SIGNED|DEPTH_ZERO)/);
      return true;
    });
  });

  test('speaks TLS to a server whose certificate is trusted', async (t) => {
    const url = await startTlsRedis(t);
    const { firstLine } = runModule(
      t,
      `import { createRedis } from './lib/redis/client.ts';
       const redis = createRedis({ url: '${url}' });
       console.log(JSON.stringify(await redis.send([['SET', 'a', '1'], ['GET', 'a']], { repeatable: false })));
       await redis.close();`,
      { NODE_EXTRA_CA_CERTS: fileURLToPath(new URL('ca.pem', FIXTURES)) },
    );
    assert.equal(await firstLine, '["OK","1"]');
  });
});
