import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadConfig } from '../../lib/config.ts';
import { createLog, createScrub, describeError, secretsOf, withoutDetails } from '../../lib/log.ts';
import { createKeyPair, parseSigningKey, type SigningKey } from '../../lib/peers/signing.ts';

const scrub = createScrub([]);

function createRecorder() {
  const lines: unknown[][] = [];
  const write = (...line: unknown[]) => {
    lines.push(line);
  };
  return { writer: { debug: write, info: write, warn: write, error: write }, lines };
}

describe('secretsOf', () => {
  const config = (url: string, token?: string, ...keys: SigningKey[]) => ({
    redis: { url, token, prefix: '{p2p}:' },
    signing: { keys },
    host: { page: undefined, heartbeatUrl: undefined, alertUrl: undefined },
  });

  test('finds the REST token', () => {
    assert.deepEqual(secretsOf(config('https://db.example', 'AX-token')), ['AX-token']);
  });

  test('finds the password of a URL, as it is written and as it is meant', () => {
    assert.deepEqual(secretsOf(config('rediss://default:p%40ssword@db.example:6380')), [
      'p%40ssword',
      'p@ssword',
    ]);
  });

  test('bears a password that is no valid encoding', () => {
    assert.deepEqual(secretsOf(config('redis://u:100%25%zz@db.example')), ['100%25%zz']);
  });

  test('finds the signing keys, with and without their prefix', () => {
    const { secretKey } = createKeyPair();
    const key = parseSigningKey(secretKey);
    assert.ok(key);

    assert.deepEqual(secretsOf(config('redis://db.example', undefined, key)), [
      secretKey,
      secretKey.slice(5),
    ]);
  });

  test("finds the page's token, and what stands in the URLs of heartbeat and alerts", () => {
    const { redis, signing } = config('redis://db.example');
    const host = loadConfig({
      LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
      REDIS_URL: redis.url,
      PAGE_PORT: '8090',
      PAGE_TOKEN: 'page-token',
      HEARTBEAT_URL: 'https://hc.example/planted-1',
      ALERT_URL: 'https://ntfy.example/planted-2?auth=3',
    }).host;
    assert.deepEqual(secretsOf({ redis, signing, host }), ['page-token', '/planted-1', '/planted-2?auth=3']);
  });

  test('takes no ordinary word for a secret', () => {
    assert.deepEqual(secretsOf(config('redis://default:abc@db.example')), []);
  });
});

describe('createScrub', () => {
  test('cuts the command that @upstash/redis appends', () => {
    assert.equal(scrub('WRONGTYPE, command was: ["set","k","v"]\n["more"]'), 'WRONGTYPE');
  });

  test('hides the credentials of any URL', () => {
    assert.equal(
      scrub('cannot reach redis://u:p@h:1 or https://x:y@z/'),
      'cannot reach redis://***@h:1 or https://***@z/',
    );
  });

  test('hides each secret wherever it stands, also one that was learnt later', () => {
    const secrets = new Set<string>();
    const late = createScrub(secrets);
    secrets.add('s3cret-1');

    assert.equal(late('a s3cret-1 and s3cret-1.'), 'a *** and ***.');
  });

  test('bounds the length', () => {
    assert.equal(scrub('x'.repeat(5_000)).length, 1_001);
  });
});

describe('describeError', () => {
  test('keeps class, message, code and the first causes, and no other property', () => {
    const cause = Object.assign(new Error('reset'), { code: 'ECONNRESET', command: { args: ['value'] } });
    const { frames, ...rest } = describeError(new TypeError('no reply', { cause }), scrub);

    assert.deepEqual(rest, {
      name: 'TypeError',
      message: 'no reply',
      cause: { name: 'Error', message: 'reset', code: 'ECONNRESET' },
    });
    assert.ok(frames !== undefined && frames.length > 0 && frames.every((frame) => frame.startsWith('at ')));
  });

  test('takes no line of a message for a frame', () => {
    const error = new Error('first\nvalue-1 at the second line');

    assert.ok(!describeError(error, scrub).frames?.some((frame) => frame.includes('value-1')));
  });

  test('ends where causes go in a circle', () => {
    const error = new Error('round');
    error.cause = error;

    assert.doesNotThrow(() => JSON.stringify(describeError(error, scrub)));
  });

  test('describes what is no error', () => {
    assert.deepEqual(describeError('thrown text', scrub), { name: 'string', message: 'thrown text' });
    assert.deepEqual(describeError(undefined, scrub), { name: 'undefined', message: 'undefined' });
  });
});

describe('withoutDetails', () => {
  test('keeps class, message and frames alone', () => {
    const original = Object.assign(new RangeError('too far, command was: ["get"]'), { secret: 'x' });
    const error = withoutDetails(original, scrub);

    assert.deepEqual([error.name, error.message], ['RangeError', 'too far']);
    assert.match(error.stack ?? '', /^RangeError: too far\nat /);
    assert.deepEqual(Object.getOwnPropertyNames(error).sort(), ['message', 'name', 'stack']);
  });
});

describe('createLog', () => {
  test('describes errors and scrubs texts among the fields, at any depth', () => {
    const { writer, lines } = createRecorder();
    const log = createLog(writer, createScrub(['s3cret-1']));

    log.warn('with s3cret-1', { list: [{ text: 's3cret-1' }, 7, null], error: new Error('s3cret-1') });

    assert.ok(!JSON.stringify(lines).includes('s3cret-1'));
    assert.deepEqual(lines[0]?.[0], 'with ***');
    assert.match(JSON.stringify(lines), /"list":\[\{"text":"\*\*\*"\},7,null\],"error":\{"name":"Error"/);
  });

  test('bears fields that contain themselves', () => {
    const { writer, lines } = createRecorder();
    const fields: Record<string, unknown> = {};
    fields.self = fields;

    createLog(writer, scrub).info('round', fields);

    assert.doesNotThrow(() => JSON.stringify(lines));
  });
});
