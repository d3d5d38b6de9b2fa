import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { parseRedisUrl } from '../../../lib/redis/url.ts';

describe('REDIS_URL', () => {
  test('tells host, port, login and database', () => {
    assert.deepEqual(parseRedisUrl('redis://h'), {
      kind: 'tcp',
      where: 'h',
      host: 'h',
      port: 6379,
      tls: false,
      user: '',
      password: '',
      database: 0,
    });
    assert.deepEqual(parseRedisUrl('rediss://ada:p%40ss%2Fw%23rd@[2606:4700::1]:6380/3'), {
      kind: 'tcp',
      where: '[2606:4700::1]:6380',
      host: '2606:4700::1',
      port: 6380,
      tls: true,
      user: 'ada',
      password: 'p@ss/w#rd',
      database: 3,
    });
    assert.deepEqual(parseRedisUrl('https://db.upstash.io'), {
      kind: 'rest',
      where: 'db.upstash.io',
      url: 'https://db.upstash.io',
    });
  });

  for (const [url, fault] of [
    ['redis://h/?db=3', /the database is the path \(redis:\/\/host:6379\/3\)/],
    ['redis://h?ssl=true', /TLS is rediss:/],
    ['redis://h/planted', /database number/],
    ['redis://planted@h', /login without a password/],
    ['redis://planted:@h', /login without a password/],
    ['redis://:@planted', /login without a password/],
    ['redis://@planted', /login without a password/],
    ['redis://:p@planted/w#rd@h', /percent-encode/],
    ['redis://:p@planted@h', /percent-encode/],
    ['redis://:pa/planted@h:6379', /percent-encode/],
    ['redis://:12/planted@h:6379', /percent-encode/],
    ['redis://u:12#planted@h', /percent-encode/],
    ['redis://u:pa?planted@h', /percent-encode/],
    ['rediss://u:12%planted@h', /%25/],
    ['redis://u:planted%ff@h', /not UTF-8/],
    ['redis://u:planted ü@h', /percent-encode/],
    ['https://:12/planted@h', /percent-encode/],
    ['https://u:planted@h', /no login/],
    ['https://h/?token=planted', /no login, query/],
    ['redis://planted,h2:6379', /one host/],
    ['redis://h1:6379,planted:6379', /one host/],
    ['redis:///planted.sock', /one host/],
    ['redis://', /one host/],
    ['redis:planted:6379', /starts with/],
    ['redis://h:0', /port/],
    ['redis://h:planted', /one host and a port/],
    ['redis://planted:99999', /one host and a port from 1 to 65535/],
    ['https://planted:0', /one host and a port from 1 to 65535/],
    ['redis://[fe80::1%25planted]:6379', /without a zone/],
    ['redis://2001:db8::1:6379', /without a zone/],
    ['redis://:planted@010.0.0.1', /one host and a port/],
    ['redis://127.1:6379', /one host and a port/],
    ['rediss://0x7f.1', /one host and a port/],
    ['https://010.0.0.1', /one host and a port/],
    ['redis://h/3/..', /database number/],
    ['redis://h/./3', /database number/],
    ['redis+sentinel://planted', /starts with/],
    ['unix:///planted.sock', /starts with/],
    ['planted:6379', /starts with/],
  ] as const) {
    test(`${url} is refused, without a part of it in the text`, () => {
      const target = parseRedisUrl(url);
      assert.ok('fault' in target, inspect(target));
      assert.match(target.fault, fault);
      assert.doesNotMatch(target.fault, /planted/);
    });
  }

  const login = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'aB9/?#@:%&=+ü\\[] \t') });

  test('takes any user and password that are percent-encoded, as they were meant', () => {
    fc.assert(
      fc.property(login, login, (user, password) => {
        const target = parseRedisUrl(
          `rediss://${encodeURIComponent(user)}:${encodeURIComponent(password)}@h:1/2`,
        );
        assert.ok('kind' in target && target.kind === 'tcp', inspect(target));
        assert.deepEqual([target.user, target.password, target.host], [user, password, 'h']);
      }),
    );
  });

  test('takes one that is not encoded as it stands there, or refuses it, and never another host', () => {
    fc.assert(
      fc.property(login, (password) => {
        const target = parseRedisUrl(`redis://:${password}@h`);
        if ('fault' in target) return;
        assert.ok(target.kind === 'tcp');
        assert.deepEqual(
          [target.password, target.host, target.where],
          [decodeURIComponent(password), 'h', 'h'],
        );
      }),
    );
  });
});
