import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionFailure } from '../../../lib/redis/failure.ts';
import { cutCommand } from '../../../lib/redis/transport.ts';

for (const [text, cut] of [
  ['ERR wrong, command was: ["SET","a","secret, command was: x"]', 'ERR wrong'],
  ["ERR unknown command 'X', with args beginning with: 'secret' ", "ERR unknown command 'X'"],
  ['NOSCRIPT No matching script. Please use EVAL.', 'NOSCRIPT No matching script. Please use EVAL.'],
  [
    'WRONGTYPE Operation against a key, of another kind',
    'WRONGTYPE Operation against a key, of another kind',
  ],
  ['', ''],
] as const) {
  test(`an error's text ends where the command begins: ${JSON.stringify(cut)}`, () => {
    assert.equal(cutCommand(text), cut);
  });
}

const withCode = (code: string, more: object = {}) => Object.assign(new Error('secret'), { code, ...more });

for (const [title, error, mayHaveRun] of [
  ['nothing listened', withCode('ECONNREFUSED'), false],
  ['the name is unknown', new TypeError('fetch failed', { cause: withCode('ENOTFOUND') }), false],
  ['connecting took too long', withCode('ETIMEDOUT', { syscall: 'connect' }), false],
  ['every address refused', Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }), false],
  [
    'the certificate has expired',
    new TypeError('fetch failed', { cause: withCode('CERT_HAS_EXPIRED') }),
    false,
  ],
  ['the connection was reset', withCode('ECONNRESET', { syscall: 'read' }), true],
  ['reading took too long', withCode('ETIMEDOUT', { syscall: 'read' }), true],
  ['writing failed', withCode('EPIPE', { syscall: 'write' }), true],
  ['the other side closed', new TypeError('fetch failed', { cause: withCode('UND_ERR_SOCKET') }), true],
  ['who knows', 'secret', true],
] as const) {
  test(`a request ${mayHaveRun ? 'may have' : 'has not'} run when ${title}`, () => {
    const failure = connectionFailure(error, { where: 'redis.example:6379' });
    assert.equal(failure.mayHaveRun, mayHaveRun);
    assert.match(failure.message, /redis\.example:6379/);
    assert.doesNotMatch(failure.message, /secret/);
  });
}

test('a certificate that is not accepted is not asked for again', () => {
  assert.equal(connectionFailure(withCode('DEPTH_ZERO_SELF_SIGNED_CERT'), { where: 'x' }).passing, false);
  assert.equal(connectionFailure(withCode('ECONNRESET'), { where: 'x' }).passing, true);
});

for (const [code, advice] of [
  ['CERT_HAS_EXPIRED', /renewed there, or the clock of this machine is wrong/],
  ['CERT_NOT_YET_VALID', /renewed there, or the clock of this machine is wrong/],
  ['ERR_TLS_CERT_ALTNAME_INVALID', /must be a name in the certificate/],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', /NODE_EXTRA_CA_CERTS/],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /NODE_EXTRA_CA_CERTS/],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /wants another client certificate/],
  ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', /client certificate.*TLS version or cipher/],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', /TLS version or cipher/],
] as const) {
  test(`what to do about ${code} is told`, () => {
    const failure = connectionFailure(withCode(code), { where: 'x', sent: false });
    assert.equal(failure.mayHaveRun, false);
    assert.match(failure.message, advice);
  });
}
