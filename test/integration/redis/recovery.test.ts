import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, getDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { RedisReplyError, type RedisTrouble, RedisUnavailableError } from '../../../lib/errors.ts';
import { createRedis, type RedisClientOptions } from '../../../lib/redis/client.ts';
import type { Redis, SendOptions } from '../../../lib/redis/redis.ts';
import { defineScript } from '../../../lib/redis/script.ts';
import { storeScript } from '../../../lib/store/lua.ts';
import { startEndpoint } from '../../support/endpoint.ts';
import { closedPort, startFakeTcpRedis } from '../../support/fake-redis.ts';
import { startPeer } from '../../support/peer-server.ts';
import { needsRealRedis, startRedisServer, startTestRedis } from '../../support/redis.ts';
import { runModule } from '../../support/run-module.ts';

const KEY = '{p2p}:key';
const WRITE = {
  script: defineScript('write', "return redis.call('SET', KEYS[1], ARGV[1])"),
  keys: [KEY],
  args: ['1'],
};
/** The same as the scripts of the store are written: what fails inside is caught and raised again. */
const CHECKED = {
  ...WRITE,
  script: storeScript('checked', "return redis.call('SET', KEYS[1], ARGV[1])"),
};
/** More than Redis reads of a command before a login: ten words, or 16 KB in one. */
const LONG = { ...WRITE, args: Array.from({ length: 20 }, String) };
const LARGE = { ...WRITE, args: ['x'.repeat(20_000)] };
/** As a run begins: TIME is served in states in which nothing else is. */
const OPENING = [['TIME'], ['GET', KEY], WRITE] as const;

const server = async (t: TestContext, ...args: string[]) => {
  const started = await startRedisServer({ args });
  t.after(started.stop);
  return started;
};

/** A client that waits no time between attempts. */
function client(t: TestContext, options: RedisClientOptions): Redis {
  const redis = createRedis({
    host: { monotonicMs: () => performance.now(), random: () => 0.5, sleep: async () => {} },
    ...options,
  });
  t.after(() => redis.close());
  return redis;
}

async function failureOf(
  redis: Redis,
  requests: Parameters<Redis['send']>[0] = OPENING,
  options: SendOptions = { repeatable: true },
): Promise<RedisUnavailableError> {
  const error = await redis.send(requests, options).then(
    (replies) => assert.fail(`it was answered: ${JSON.stringify(replies)}`),
    (error: unknown) => error,
  );
  assert.ok(error instanceof RedisUnavailableError, String(error));
  return error;
}

const told = ({ trouble, mayHaveRun }: RedisUnavailableError): [RedisTrouble, boolean] => [
  trouble,
  mayHaveRun,
];

describe('a process that is warm', needsRealRedis(), () => {
  test('writes to the new primary after a failover, although its connection to the former one is sound', async (t) => {
    const former = await server(t);
    const next = await server(t);
    const endpoint = await startEndpoint(t, former.port);
    const redis = client(t, { url: `redis://127.0.0.1:${endpoint.port}` });
    await redis.send(OPENING, { repeatable: true });

    endpoint.moveTo(next.port);
    const onFormer = client(t, { url: former.url });
    await onFormer.send([['REPLICAOF', '127.0.0.1', next.port]], { repeatable: true });

    for (const repeatable of [true, false]) {
      const [, , written] = await redis.send(OPENING, { repeatable });
      assert.equal(written, 'OK');
    }
    assert.equal(endpoint.connections, 2);
    const onNext = client(t, { url: next.url });
    assert.deepEqual(await onNext.send([['GET', KEY]], { repeatable: true }), ['1']);
  });

  test('says that it is a replica where nothing else is behind the name', async (t) => {
    const primary = await server(t);
    const replica = await server(t, '--replicaof', '127.0.0.1', String(primary.port));
    const redis = client(t, { url: replica.url });

    for (const [request, repeatable] of [
      [WRITE, true],
      [WRITE, false],
      [CHECKED, false],
    ] as const) {
      const error = await failureOf(redis, [request], { repeatable });
      assert.deepEqual(told(error), ['replica', false]);
      assert.match(error.message, /does not serve: READONLY .*REDIS_URL must name the primary/);
    }
  });

  test('follows a name that has moved, although the former server goes on answering', async (t) => {
    const former = await server(t);
    const next = await server(t);
    const endpoint = await startEndpoint(t, former.port);
    let nowMs = 0;
    const redis = client(t, {
      url: `redis://127.0.0.1:${endpoint.port}`,
      host: { monotonicMs: () => nowMs, random: () => 0.5, sleep: async () => {} },
    });
    await redis.send([['SET', KEY, 'former']], { repeatable: true });

    endpoint.moveTo(next.port);
    nowMs += 299_000;
    assert.deepEqual(await redis.send([['GET', KEY]], { repeatable: true }), ['former']);
    nowMs += 2_000;
    assert.deepEqual(await redis.send([['GET', KEY]], { repeatable: true }), [null]);
  });

  test('waits for a server that loads its data, although TIME is served meanwhile', async (t) => {
    // It serves once in 2 MB of what it loads, and a request is tried four times.
    const redisServer = await server(t, '--key-load-delay', '50', '--rdbcompression', 'no');
    const redis = client(t, { url: redisServer.url });
    const keys = Array.from({ length: 12_000 }, (_, i) => [`{p2p}:${i}`, 'x'.repeat(1_000)]).flat();
    await redis.send([['MSET', ...keys], ['SAVE']], { repeatable: true });

    const restarted = redisServer.restart();
    const failures: RedisUnavailableError[] = [];
    for (let done = false; !done; ) {
      done = await redis.send(OPENING, { repeatable: false }).then(
        () => true,
        (error) => failures.push(error) === 0,
      );
    }
    await restarted;

    for (const { trouble, mayHaveRun } of failures) if (trouble === 'busy') assert.equal(mayHaveRun, false);
    assert.match(failures.at(-1)?.message ?? '', /does not serve: LOADING .*serves when it has finished/);
  });

  for (const [title, parameter, value, reason, writes] of [
    // A plain command, because Redis 6.2 lets a script write without replicas.
    [
      'has lost its replicas',
      'min-replicas-to-write',
      '1',
      /NOREPLICAS.*min-replicas-to-write/,
      [['SET', KEY, '1']],
    ],
    ['is full', 'maxmemory', '1', /OOM.*maxmemory/, [WRITE, CHECKED]],
  ] as const) {
    test(`writes to the new primary where the former one ${title}, and tells it as long as the name has not moved`, async (t) => {
      const former = await server(t);
      const next = await server(t);
      const endpoint = await startEndpoint(t, former.port);
      const redis = client(t, { url: `redis://127.0.0.1:${endpoint.port}` });
      await redis.send(OPENING, { repeatable: true });
      const onFormer = client(t, { url: former.url });
      await onFormer.send([['CONFIG', 'SET', parameter, value]], { repeatable: true });

      for (const write of writes) {
        const error = await failureOf(redis, [['TIME'], write]);
        assert.deepEqual(told(error), ['no-writes', false]);
        assert.match(error.message, reason);
      }
      endpoint.moveTo(next.port);

      const [, , written] = await redis.send(OPENING, { repeatable: false });
      assert.equal(written, 'OK');
    });
  }

  test('tells that the login was refused as long as it is, and goes on when it no longer is', async (t) => {
    const redisServer = await server(t);
    const redis = client(t, { url: redisServer.url });
    const admin = client(t, { url: redisServer.url });
    await redis.send(OPENING, { repeatable: true });

    await admin.send(
      [
        ['CONFIG', 'SET', 'requirepass', 'changed'],
        ['CLIENT', 'KILL', 'SKIPME', 'yes', 'TYPE', 'normal'],
      ],
      { repeatable: false },
    );
    for (const requests of [OPENING, [WRITE], [LONG], [LARGE], [['TIME'], LONG], [['TIME']]] as const) {
      const error = await failureOf(redis, requests);
      assert.equal(error.trouble, 'login');
      assert.match(error.message, /refused the login: NOAUTH .*REDIS_URL must carry the password/);
    }
    await admin.send([['CONFIG', 'SET', 'requirepass', '']], { repeatable: false });

    const [, , written] = await redis.send(OPENING, { repeatable: false });
    assert.equal(written, 'OK');
  });

  test('tells that there are too many clients, and goes on when there are not', async (t) => {
    const redisServer = await server(t, '--maxclients', '1');
    const other = connect(redisServer.port, '127.0.0.1');
    await once(other, 'connect');
    other.write('PING\r\n');
    await once(other, 'data');
    for (const url of [
      redisServer.url,
      `redis://:secret@127.0.0.1:${redisServer.port}`,
      `${redisServer.url}/1`,
    ]) {
      const error = await failureOf(client(t, { url }), OPENING, { repeatable: false });
      assert.deepEqual(told(error), ['busy', false]);
      assert.match(error.message, /does not serve: ERR max number of clients reached\. .*raise maxclients/);
    }

    other.destroy();
    const redis = client(t, { url: redisServer.url });
    while (
      await redis.send([['TIME']], { repeatable: true }).then(
        () => false,
        () => true,
      )
    );
    assert.equal((await redis.send(OPENING, { repeatable: false })).at(-1), 'OK');
  });

  test('goes on over a connection of its own where the former one carries nothing any more', async (t) => {
    const redisServer = await server(t);
    const endpoint = await startEndpoint(t, redisServer.port);
    const redis = client(t, { url: `redis://127.0.0.1:${endpoint.port}` });
    await redis.send(OPENING, { repeatable: true });
    endpoint.freeze();

    const replies = await redis.send(OPENING, { repeatable: true, timeoutMs: 300 });

    assert.equal(replies.at(-1), 'OK');
    assert.equal(endpoint.connections, 2);
  });

  test('goes on with a replica that has found its primary again', async (t) => {
    const gone = await closedPort();
    const replica = await server(
      t,
      '--replicaof',
      '127.0.0.1',
      String(gone),
      '--replica-serve-stale-data',
      'no',
    );
    const redis = client(t, { url: replica.url });
    const error = await failureOf(redis, OPENING, { repeatable: false });
    assert.deepEqual(told(error), ['replica', false]);
    assert.match(error.message, /does not serve: MASTERDOWN .*has lost its primary/);

    const admin = client(t, { url: replica.url });
    await admin.send([['REPLICAOF', 'NO', 'ONE']], { repeatable: true });
    assert.equal((await redis.send(OPENING, { repeatable: false })).at(-1), 'OK');
  });
});

describe('a Redis Cluster', needsRealRedis(), () => {
  test('of several nodes is refused by name, and one without all slots says so', async (t) => {
    const ours = await server(t, '--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no');
    const other = await server(t, '--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no');
    const [onOurs, onOther] = [client(t, { url: ours.url }), client(t, { url: other.url })];
    const down = await failureOf(onOurs, OPENING, { repeatable: false });
    assert.deepEqual(told(down), ['cluster', false]);
    assert.match(down.message, /does not serve: CLUSTERDOWN /);

    const [slot] = await onOurs.send([['CLUSTER', 'KEYSLOT', KEY]], { repeatable: true });
    await onOther.send([['CLUSTER', 'ADDSLOTS', Number(slot)]], { repeatable: false });
    await onOther.send([['CLUSTER', 'MEET', '127.0.0.1', ours.port]], { repeatable: false });
    const refused = () => failureOf(onOurs, OPENING, { repeatable: false });
    let error = await refused();
    while (error.message.includes('CLUSTERDOWN')) error = await refused();

    assert.deepEqual(told(error), ['cluster', false]);
    assert.match(error.message, /MOVED .*A cluster of several nodes is not supported/);
  });

  test('of one node is served, if the prefix keeps all keys in one slot', async (t) => {
    const { url } = await server(t, '--cluster-enabled', 'yes');
    const redis = client(t, { url });
    const slots = Array.from({ length: 16_384 }, (_, slot) => slot);
    await redis.send([['CLUSTER', 'ADDSLOTS', ...slots]], { repeatable: false });
    let last: unknown;
    do {
      [, , last] = await redis.send(OPENING, { repeatable: false }).catch((error) => [null, null, error]);
    } while (last instanceof RedisUnavailableError && last.message.includes('CLUSTERDOWN'));
    assert.equal(last, 'OK');

    const scattered = { ...WRITE, keys: ['a:consumers', 'b:producers'] };
    const apart = await failureOf(redis, [scattered], { repeatable: false });
    assert.match(apart.message, /CROSSSLOT .*REDIS_PREFIX needs braces/);
  });
});

describe('what is no Redis of that scheme is told by what it says', () => {
  test('HTTP', async (t) => {
    const { port } = await startPeer(t);

    for (const login of ['', ':secret@']) {
      const error = await failureOf(client(t, { url: `redis://${login}127.0.0.1:${port}` }));
      assert.deepEqual(told(error), ['protocol', false]);
      assert.match(error.message, /speaks HTTP\. .*starts with https:\/\/ or http:\/\/\.$/);
    }
  });

  test('a Redis port where REST was meant', async (t) => {
    const { tcpUrl } = await startTestRedis(t);
    const error = await failureOf(
      client(t, { url: tcpUrl.replace('redis:', 'http:'), token: 'secret-token' }),
      OPENING,
      {
        repeatable: true,
        timeoutMs: 1_000,
      },
    );
    assert.match(error.message, /If it is a Redis port, REDIS_URL starts with redis:\/\/ or rediss:\/\/\.$/);
  });

  for (const [title, greeting] of [
    ['SSH', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['a mail server', '220 planted ESMTP\r\n'],
    ['what answers by an error that is none of Redis', 'ERROR planted\r\n'],
  ] as const) {
    test(title, async (t) => {
      const other = await startFakeTcpRedis(t, (socket) => void socket.write(greeting));

      const error = await failureOf(client(t, { url: other.url }));

      assert.deepEqual(told(error), ['protocol', false]);
      assert.match(error.message, /does not speak the protocol of Redis/);
      assert.doesNotMatch(error.message, /planted/);
      assert.equal(other.received.length, 1, 'asking again does not help');
    });
  }

  test('protected mode', async (t) => {
    const text =
      '-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) …\r\n';
    const fake = await startFakeTcpRedis(t, (socket) => void socket.end(text));
    for (const url of [fake.url, fake.url.replace(':planted-password@', '')]) {
      const error = await failureOf(client(t, { url }));
      assert.deepEqual(told(error), ['login', false]);
      assert.match(
        error.message,
        /DENIED Redis is running in protected mode .*\. Set a password on that Redis/,
      );
      assert.ok(error.message.length < 400);
    }
  });

  test('an error that quotes the password is shown without it', async (t) => {
    const fake = await startFakeTcpRedis(t, (socket) => void socket.end('-ERR no planted-password here\r\n'));
    const { message } = await failureOf(client(t, { url: fake.url }));
    assert.match(message, /refused the login: ERR no \*\*\* here/);
  });
});

describe('the connection', () => {
  test('keeps no process alive while it is idle', async (t) => {
    const { tcpUrl } = await startTestRedis(t);
    const { firstLine, exited } = runModule(
      t,
      `import { createRedis } from './lib/redis/client.ts';
       const redis = createRedis({ url: ${JSON.stringify(tcpUrl)} });
       console.log(JSON.stringify(await redis.send([['SET', 'a', '1']], { repeatable: false })));`,
    );
    assert.equal(await firstLine, '["OK"]');
    assert.deepEqual(await exited, [0, null]);
  });

  test('gives each address of a name 900 ms, for all that this process connects with', (t) => {
    client(t, { url: 'redis://127.0.0.1' });
    assert.equal(getDefaultAutoSelectFamilyAttemptTimeout(), 900);
  });
});

describe('an error of a script', () => {
  test('has the code of the command inside it, also as Redis 6 wraps it', () => {
    const code = (text: string) => new RedisReplyError(text).code;
    assert.equal(
      code('ERR Error running script (call to f_3a): @user_script:2: WRONGTYPE Operation against a key'),
      'WRONGTYPE',
    );
    assert.equal(
      code(
        "ERR Error running script (call to f_3a): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.",
      ),
      'READONLY',
    );
    assert.equal(code('ERR Error running script (call to f_3a): @user_script:2: user_script:2: bad'), 'ERR');
    assert.equal(code('WRONGTYPE Operation script: 3a, on @user_script:2.'), 'WRONGTYPE');
    assert.equal(
      new RedisReplyError(
        "ERR ERR The user executing the script can't run this command or subcommand script: 3a, on @user_script:2.",
      ).message,
      "NOPERM The user executing the script can't run this command or subcommand. Give the Redis user the rights that docs/REDIS.md lists",
    );
  });
});
