import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, startFakeRest, startFakeTcpRedis } from '../../support/fake-redis.ts';
import { LOCAL_UUID, p2p } from './harness.ts';

const TOKEN = 'planted-token';
const PASSWORD = 'planted-password';
const KEY = Buffer.from('planted signing key of 32 bytes!').toString('base64');
const SECRETS = [TOKEN, PASSWORD, KEY];

const COMMANDS = [
  ['doctor'],
  ['status'],
  ['consumers'],
  ['producers'],
  ['sync'],
  ['check'],
  ['notify', '--ip', '203.0.113.8', '--yes'],
  ['history'],
] as const;

const refusal = `ERR refused, command was: ["AUTH","${PASSWORD}"] with token ${TOKEN}`;

/** A Redis that fails in a way that could carry a secret, and how it is reached. */
const BROKEN: Readonly<
  Record<string, (t: Parameters<typeof startFakeRest>[0]) => Promise<Record<string, string>>>
> = {
  'a REST API that sends the token back with its refusal': async (t) => {
    const { url, token } = await startFakeRest(t, [answer(401, { error: `${refusal} of Bearer ${TOKEN}` })]);
    return { REDIS_URL: url, REDIS_TOKEN: token };
  },
  'a REST API that answers each command with an error that repeats it': async (t) => {
    const { url, token } = await startFakeRest(t, [
      answer(
        200,
        Array.from({ length: 20 }, () => ({ error: refusal })),
      ),
    ]);
    return { REDIS_URL: url, REDIS_TOKEN: token };
  },
  'a Redis that refuses the login and repeats it': async (t) => {
    const { url } = await startFakeTcpRedis(t, (socket) =>
      socket.write(`-WRONGPASS ${PASSWORD} is wrong\r\n`),
    );
    return { REDIS_URL: url };
  },
  'a Redis that is not there': async () => ({ REDIS_URL: `redis://user:${PASSWORD}@127.0.0.1:1` }),
};

for (const [what, start] of Object.entries(BROKEN)) {
  test(`no command tells a secret, with ${what}`, async (t) => {
    const env = {
      LOCAL_UUID,
      SIGNING_KEY: `whsk_${KEY}`,
      IP_SOURCES: 'static:203.0.113.7',
      IP_ALLOW_CIDRS: '203.0.113.0/24',
      ...(await start(t)),
    };
    const lines = COMMANDS.flatMap((line) => [line, [...line, '--json']]);
    // All at once: each waits for as long as Redis is given to come back.
    await Promise.all(
      lines.map(async (line) => {
        const { code, out, err } = await p2p(line, { env });
        const told = `${line.join(' ')}: ${out}${err}`;
        assert.notEqual(code, 0, told);
        assert.ok(told.includes('Redis'), `it got as far as Redis: ${told}`);
        for (const secret of SECRETS) assert.ok(!told.includes(secret), `${secret} in ${told}`);
      }),
    );
  });
}
