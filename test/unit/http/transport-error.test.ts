import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type TransportError, transportErrorOf } from '../../../lib/http/transport-error.ts';

const withCode = (code: string) => Object.assign(new Error('a text that nobody reads'), { code });

test('an error is classed by its code', () => {
  const cases: [code: string, expected: TransportError][] = [
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
    assert.equal(transportErrorOf(withCode(code), true), expected, code);
    assert.equal(transportErrorOf(withCode(code), false), expected, code);
  }
});

test('no route, no network and no socket left are unreachable', () => {
  for (const code of [
    'EHOSTUNREACH',
    'ENETUNREACH',
    'EHOSTDOWN',
    'ENETDOWN',
    'EADDRNOTAVAIL',
    'EACCES',
    'EPERM',
    'EINVAL',
    'EMFILE',
  ]) {
    assert.equal(transportErrorOf(withCode(code), false), 'unreachable', code);
  }
});

test('an unknown error is unreachable before the connection stood, and a reset after', () => {
  for (const error of [new Error('x'), withCode('EWHATEVER'), { code: 5 }, 'x', null, undefined]) {
    assert.equal(transportErrorOf(error, false), 'unreachable');
    assert.equal(transportErrorOf(error, true), 'reset');
  }
});

test('of several addresses that failed the first speaks', () => {
  const error = new AggregateError([withCode('ECONNREFUSED'), withCode('ENETUNREACH')]);
  assert.equal(transportErrorOf(error, false), 'refused');
  assert.equal(transportErrorOf(new AggregateError([]), false), 'unreachable');
});
