import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EXIT } from '../../../cli/exit-code.ts';
import { systemHost } from '../../../lib/host.ts';
import { SECOND_LOOK_MS } from '../../../lib/ip/observe.ts';
import { startPeer } from '../../support/peer-server.ts';
import { needsRealRedis, startTestRedis } from '../../support/redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import { envOf, KEYS, LOCAL_UUID, p2p, sourcesSaying } from '../cli/harness.ts';

const PAGE = readFileSync(new URL('../../../docs/REDIS.md', import.meta.url), 'utf8');
/** The arguments of the line that the page gives. */
const RULES = /^ACL SETUSER p2p (.+)$/m.exec(PAGE)?.[1]?.split(' ') ?? [];

test('every job and every command runs under the user of docs/REDIS.md', needsRealRedis(), async (t) => {
  assert.ok(RULES.includes('>PASSWORD') && RULES.includes('~{p2p}:*'), RULES.join(' '));
  const redis = await startTestRedis(t, { engine: 'real' });
  await redis.command('ACL', 'SETUSER', 'p2p', ...RULES);
  const newcomer = await startPeer(t, { body: { uuid: uuidOf(9) } });
  const peers = [
    await startPeer(t, {
      body: { uuid: uuidOf(1), consumers: [{ uuid: uuidOf(9), ip: newcomer.address }] },
    }),
    await startPeer(t, { status: 500 }),
  ];
  await redis.command(
    'HSET',
    KEYS.consumers,
    ...peers.flatMap(({ address }, i) => [uuidOf(i + 1), address]),
    uuidOf(5),
    'no address',
  );
  await redis.put(KEYS.producers, {
    [uuidOf(3)]: peers[0]?.address ?? '',
    [uuidOf(4)]: peers[1]?.address ?? '',
  });

  const env = envOf({ url: redis.tcpUrl.replace('redis://', 'redis://p2p:PASSWORD@') });
  const run = async (ip: string, ...argv: string[]) => {
    const { code, out, err } = await p2p(argv, {
      env,
      brought: {
        sources: sourcesSaying(ip, ip, ip),
        host: {
          ...systemHost,
          sleep: async (ms, signal) => (ms === SECOND_LOOK_MS ? undefined : systemHost.sleep(ms, signal)),
        },
      },
    });
    assert.doesNotMatch(`${out}${err}`, /NOPERM|permission/i, argv.join(' '));
    assert.notEqual(code, EXIT.usage, `${argv.join(' ')}: ${err}`);
    return { code, out };
  };

  assert.match((await run('203.0.113.7', 'check', '--yes')).out, /203\.0\.113\.7/);
  assert.match((await run('203.0.113.7', 'sync', '--yes')).out, /The round is complete/);
  await redis.command('SADD', '{p2p}:consumers:called', uuidOf(1));
  await run('203.0.113.7', 'sync', '--yes');
  await run('203.0.113.8', 'check', '--yes');
  await run('203.0.113.8', 'notify', '--ip', '203.0.113.9', '--yes');
  await run('203.0.113.9', 'notify', '--yes');
  await run('203.0.113.9', 'consumers', 'add', uuidOf(6), '127.0.0.1:8080');
  await run('203.0.113.9', 'consumers', 'remove', uuidOf(6));
  await run('203.0.113.9', 'producers', 'add', uuidOf(7), '127.0.0.1:8081');
  await run('203.0.113.9', 'producers', 'remove', uuidOf(7));
  for (const command of ['consumers', 'producers', 'history', 'status', 'doctor']) {
    assert.ok((await run('203.0.113.9', command)).out.length > 0, command);
  }

  assert.equal(await redis.command('GET', KEYS.uuid), LOCAL_UUID);
  assert.equal(
    await redis.command('HGET', KEYS.consumers, uuidOf(9)),
    newcomer.address,
    'a newcomer was learned',
  );
  assert.ok(Number(await redis.command('XLEN', KEYS.ipHistory)) >= 3);
  assert.deepEqual(await redis.command('ACL', 'LOG'), [], 'nothing was refused');
});

test('a right that is missing is said with what to do', needsRealRedis(), async (t) => {
  const redis = await startTestRedis(t, { engine: 'real' });
  const env = envOf({ url: redis.tcpUrl.replace('redis://', 'redis://p2p:PASSWORD@') });
  const brought = { sources: sourcesSaying('203.0.113.7', '203.0.113.7') };

  for (const [missing, command] of [
    ['-evalsha', 'sync'],
    ['-hgetall', 'check'],
    ['-hgetall', 'status'],
    ['-hscan', 'doctor'],
    ['resetkeys', 'producers'],
  ] as const) {
    await redis.command('ACL', 'SETUSER', 'p2p', 'reset', ...RULES, missing);
    const { code, out, err } = await p2p([command], { env, brought });
    const said = `${out}${err}`.replace(/\s+/g, ' ');
    assert.notEqual(code, EXIT.ok, command);
    assert.match(
      said,
      /NOPERM .*Give the Redis user the rights that docs\/REDIS\.md lists/,
      `${missing} ${command}`,
    );
  }
});
