import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createServer, type TlsOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { RedisUnavailableError } from '../../../lib/errors.ts';
import { createRedis } from '../../../lib/redis/client.ts';
import { startFakeTcpRedis } from '../../support/fake-redis.ts';
import { listen, temporaryFolder } from '../../support/owner.ts';
import { needsRealRedis, startRedisServer, startTestRedis } from '../../support/redis.ts';
import { runModule } from '../../support/run-module.ts';

const FIXTURES = new URL('../../fixtures/tls/', import.meta.url);

/** TLS in front of a Redis, with a certificate for `localhost` that our test CA alone has signed. */
async function startTlsRedis(t: TestContext, options: TlsOptions = {}) {
  const { tcpUrl } = await startTestRedis(t);
  /** The server names that clients sent. */
  const names: string[] = [];
  const server = createServer(
    {
      cert: await readFile(new URL('localhost.pem', FIXTURES)),
      key: await readFile(new URL('localhost.key', FIXTURES)),
      SNICallback: (name, answer) => {
        names.push(name);
        answer(null);
      },
      ...options,
    },
    (socket) => {
      const behind = connect(Number(new URL(tcpUrl).port), '127.0.0.1');
      for (const end of [socket, behind]) end.on('error', () => {});
      socket.pipe(behind).pipe(socket);
    },
  );
  server.on('tlsClientError', () => {});
  const port = await listen(server);
  t.after(() => void server.close());
  return { url: `rediss://localhost:${port}`, port, names };
}

describe('rediss://', () => {
  test('is refused, unsent and unrepeated, where the certificate is not trusted', async (t) => {
    const redis = createRedis({ url: (await startTlsRedis(t)).url });
    t.after(() => redis.close());

    await assert.rejects(redis.send([['SET', 'a', '1']], { repeatable: true }), (error) => {
      assert.ok(error instanceof RedisUnavailableError);
      assert.equal(error.mayHaveRun, false);
      assert.match(
        error.message,
        /is not accepted \((UNABLE_TO|SELF_SIGNED|DEPTH_ZERO)\w+\)\..*NODE_EXTRA_CA_CERTS/,
      );
      return true;
    });
  });

  test('speaks TLS to a server whose certificate is trusted', async (t) => {
    const { url, names } = await startTlsRedis(t);
    const { firstLine } = runModule(
      t,
      `import { createRedis } from './lib/redis/client.ts';
       const redis = createRedis({ url: '${url}' });
       console.log(JSON.stringify(await redis.send([['SET', 'a', '1'], ['GET', 'a']], { repeatable: false })));
       await redis.close();`,
      { NODE_EXTRA_CA_CERTS: fileURLToPath(new URL('ca.pem', FIXTURES)) },
    );
    assert.equal(await firstLine, '["OK","1"]');
    assert.deepEqual(names, ['localhost'], 'a TLS router needs the server name');
  });

  test('trusts the authorities that an .env names, as those that are exported', async (t) => {
    const { url } = await startTlsRedis(t);
    const folder = temporaryFolder(t);
    await writeFile(
      join(folder, '.env'),
      `NODE_EXTRA_CA_CERTS=${fileURLToPath(new URL('ca.pem', FIXTURES))}\n`,
    );
    const { firstLine } = runModule(
      t,
      `import { readEnvironment } from './host/env-file.ts';
       import { createRedis } from './lib/redis/client.ts';
       readEnvironment('${folder}', {});
       const redis = createRedis({ url: '${url}' });
       console.log(await redis.send([['PING']], { repeatable: true }).then(String, String));
       await redis.close();`,
    );
    assert.equal(await firstLine, 'PONG');
  });

  test('sends no server name where the host is an IP address', async (t) => {
    const { port, names } = await startTlsRedis(t);
    const { firstLine } = runModule(
      t,
      `import { createRedis } from './lib/redis/client.ts';
       const redis = createRedis({ url: 'rediss://127.0.0.1:${port}' });
       console.log(await redis.send([['PING']], { repeatable: true }).catch(({ message }) => message));
       await redis.close();`,
      { NODE_EXTRA_CA_CERTS: fileURLToPath(new URL('ca.pem', FIXTURES)) },
    );
    // The certificate is for a name alone.
    assert.match(
      await firstLine,
      /ERR_TLS_CERT_ALTNAME_INVALID.*The host in REDIS_URL must be a name in the certificate/,
    );
    assert.deepEqual(names, []);
  });

  test('shows its certificate to a server that asks for one, and tells what is missing where it has none', async (t) => {
    const ca = await readFile(new URL('client.pem', FIXTURES));
    const { url } = await startTlsRedis(t, { ca, requestCert: true, rejectUnauthorized: true });
    const pathOf = (name: string) => fileURLToPath(new URL(name, FIXTURES));
    const answerWith = async (certificate: Record<string, string>) => {
      const { firstLine } = runModule(
        t,
        `import { loadConfig } from './lib/config.ts';
         import { createRedis } from './lib/redis/client.ts';
         const redis = createRedis(loadConfig(${JSON.stringify({
           LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
           REDIS_URL: url,
           ...certificate,
         })}).redis);
         console.log(JSON.stringify(await redis.send([['PING']], { repeatable: true }).catch(({ message }) => message)));
         await redis.close();`,
        { NODE_EXTRA_CA_CERTS: pathOf('ca.pem') },
      );
      return firstLine;
    };

    const both = { REDIS_TLS_CERT: pathOf('client.pem'), REDIS_TLS_KEY: pathOf('client.key') };
    assert.equal(await answerWith(both), '["PONG"]');
    assert.match(
      await answerWith({}),
      /wants another client certificate .*Check REDIS_TLS_CERT and REDIS_TLS_KEY/,
    );
  });

  test('tells a port without TLS', needsRealRedis(), async (t) => {
    const server = await startRedisServer();
    t.after(server.stop);
    const redis = createRedis({ url: `rediss://127.0.0.1:${server.port}` });
    t.after(() => redis.close());
    // Redis waits for the end of what it takes for a line.
    await assert.rejects(
      redis.send([['PING']], { repeatable: false, timeoutMs: 200 }),
      /TLS handshake with Redis at 127\.0\.0\.1:\d+ failed \(no answer\)\. If it has no TLS, REDIS_URL starts with redis:\/\//,
    );
    const fake = await startFakeTcpRedis(t, (socket) => void socket.end('-ERR what is this\r\n'));
    const other = createRedis({ url: fake.url.replace('redis:', 'rediss:') });
    t.after(() => other.close());
    await assert.rejects(
      other.send([['PING']], { repeatable: false }),
      /handshake .* failed \(ERR_SSL_\w+\)\. If it has no TLS/,
    );
  });

  test('is named where redis:// meets it and its server says so', async (t) => {
    const alert = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]);
    const fake = await startFakeTcpRedis(t, (socket) => void socket.end(alert));
    for (const url of [fake.url, fake.url.replace(':planted-password@', '')]) {
      const redis = createRedis({ url });
      t.after(() => redis.close());
      await assert.rejects(redis.send([['PING']], { repeatable: false }), (error) => {
        assert.ok(error instanceof RedisUnavailableError);
        assert.match(error.message, /speaks TLS\. If it is a Redis, REDIS_URL starts with rediss:\/\//);
        assert.equal(error.mayHaveRun, false);
        return true;
      });
    }
  });

  test('is thought of where redis:// meets it and its server only hangs up', async (t) => {
    const { port } = await startTlsRedis(t);
    for (const login of ['', ':secret@']) {
      const redis = createRedis({ url: `redis://${login}127.0.0.1:${port}` });
      t.after(() => redis.close());
      await assert.rejects(redis.send([['PING']], { repeatable: false }), (error) => {
        assert.ok(error instanceof RedisUnavailableError);
        assert.match(
          error.message,
          /closed the connection without a word\. If it speaks TLS, REDIS_URL starts with rediss:\/\//,
        );
        return true;
      });
    }
  });
});
