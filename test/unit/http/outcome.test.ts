import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Failure, failureOf } from '../../../lib/http/outcome.ts';

const withCode = (code: string) => Object.assign(new Error('a text that nobody reads'), { code });

test('an error is classed by its code', () => {
  const cases: [code: string, expected: Failure][] = [
    ['ECONNREFUSED', 'refused'],
    ['ECONNRESET', 'reset'],
    ['EPIPE', 'reset'],
    ['ETIMEDOUT', 'timeout'],
    ['ENOTFOUND', 'not-found'],
    ['EAI_AGAIN', 'not-found'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls'],
    ['CERT_HAS_EXPIRED', 'tls'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls'],
    ['EPROTO', 'tls'],
  ];
  for (const [code, expected] of cases) {
    assert.equal(failureOf(withCode(code), true), expected, code);
    assert.equal(failureOf(withCode(code), false), expected, code);
  }
});

test('what this machine could not do is local', () => {
  for (const code of [
    'EMFILE',
    'ENFILE',
    'ENOBUFS',
    'ENOMEM',
    'EADDRNOTAVAIL',
    'EADDRINUSE',
    'ENETDOWN',
    'EPERM',
    'EACCES',
  ]) {
    assert.equal(failureOf(withCode(code), false), 'local', code);
  }
});

test('no route is unreachable, because a far router can say it as well', () => {
  for (const code of ['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EINVAL']) {
    assert.equal(failureOf(withCode(code), false), 'unreachable', code);
  }
});

test('an ICMPv6 message of a router that forbids the way is no trouble of this machine', () => {
  const forbidden = (address: string) => Object.assign(withCode('EACCES'), { address });
  assert.equal(failureOf(forbidden('2001:db8::1'), false), 'unreachable');
  assert.equal(failureOf(forbidden('203.0.113.1'), false), 'local');
});

test('an unknown error is unreachable before the connection stood, and a reset after', () => {
  for (const error of [new Error('x'), withCode('EWHATEVER'), { code: 5 }, 'x', null, undefined]) {
    assert.equal(failureOf(error, false), 'unreachable');
    assert.equal(failureOf(error, true), 'reset');
  }
});

test('of several addresses that failed the first speaks', () => {
  const error = new AggregateError([withCode('ECONNREFUSED'), withCode('ENETUNREACH')]);
  assert.equal(failureOf(error, false), 'refused');
  assert.equal(failureOf(new AggregateError([]), false), 'unreachable');
});
