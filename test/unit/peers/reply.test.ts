import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { MAX_HEARD, parseSyncReply } from '../../../lib/peers/reply.ts';
import { parseUuid } from '../../../lib/peers/uuid.ts';
import { uuidOf } from '../../support/uuids.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
const UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';
const parse = (body: unknown) =>
  parseSyncReply(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), policy);
const SAYS_NOTHING = { heard: [] };

test('white space around the object is read over, as JSON has it', () => {
  assert.equal(parse(` \t\r\n{"uuid":"${UUID}"}\n`).names, UUID);
  assert.equal(parse(`\ufeff{"uuid":"${UUID}"}`).names, UUID, 'and one byte order mark');
});

test('a reply that is no JSON object says nothing', async (t) => {
  const bodies = {
    empty: '',
    text: 'ok',
    html: '<html></html>',
    number: '1',
    null: 'null',
    string: `"${UUID}"`,
    array: JSON.stringify([{ uuid: UUID }]),
    'a cut object': '{"uuid":"',
    'two objects': '{}{}',
    'two byte order marks': `\ufeff\ufeff{"uuid":"${UUID}"}`,
    'single quotes': "{'uuid':1}",
    '100,000 brackets': '['.repeat(100_000),
    '6,000 nested objects': '{"a":'.repeat(6_000),
    '30,000 brackets that close': `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
  };
  for (const [name, body] of Object.entries(bodies)) {
    await t.test(name, () => assert.deepEqual(parse(body), SAYS_NOTHING));
  }
});

test('an object with neither field says nothing', () => {
  assert.deepEqual(parse({ status: 'ok', huge: 1e308 }), SAYS_NOTHING);
});

test('a uuid names who answers, in canonical form', () => {
  assert.deepEqual(parse({ uuid: UUID.toUpperCase() }), { names: UUID, heard: [] });
});

test('a uuid of null counts as absent', () => {
  assert.deepEqual(parse({ uuid: null }), SAYS_NOTHING);
});

test('a uuid that is none is a claim that nobody can match', () => {
  for (const uuid of [
    '',
    ' ',
    `${UUID}\n`,
    ` ${UUID}`,
    `{${UUID}}`,
    `urn:uuid:${UUID}`,
    0,
    true,
    [UUID],
    { UUID },
  ]) {
    assert.equal(parse({ uuid }).names, 'unreadable');
  }
});

test('a number beyond all numbers is a claim as well', () => {
  assert.equal(parse('{"uuid":1e999}').names, 'unreadable');
});

test('invalid UTF-8 never becomes a name', () => {
  const body = Buffer.from(JSON.stringify({ uuid: UUID }));
  body[12] = 0xff;
  assert.equal(parseSyncReply(body, policy).names, 'unreadable');
});

test('of doubled fields the last counts', () => {
  assert.equal(parse(`{"uuid":"${uuidOf(1)}","uuid":"${UUID}"}`).names, UUID);
});

test('nothing is read from a prototype', () => {
  assert.deepEqual(parse(`{"__proto__":{"uuid":"${UUID}","consumers":[]}}`), SAYS_NOTHING);
  assert.deepEqual(parse(`{"constructor":{"prototype":{"uuid":"${UUID}"}}}`), SAYS_NOTHING);
  assert.deepEqual(parse(`{"consumers":[{"__proto__":{"uuid":"${UUID}","ip":"8.8.8.8"}}]}`), SAYS_NOTHING);
  assert.equal(Object.hasOwn(Object.prototype, 'uuid'), false);
});

test('consumers are heard in order, with the address in canonical spelling', () => {
  const { heard } = parse({
    consumers: [
      { uuid: uuidOf(1), ip: '8.8.8.8' },
      { uuid: uuidOf(2).toUpperCase(), ip: '8.8.4.4:8080', extra: { ignored: true } },
      { uuid: uuidOf(3), ip: '2A00:1450:0:0::80' },
      { uuid: uuidOf(4), ip: '[2a00:1450::0080]' },
      { uuid: uuidOf(5), ip: '[2a00:1450::0080]:80' },
      { uuid: uuidOf(6), ip: '8.8.8.8:80' },
    ],
  });
  assert.deepEqual(
    heard.map(({ uuid, raw, address }) => [uuid, raw, address.key]),
    [
      [uuidOf(1), '8.8.8.8', '8.8.8.8:80'],
      [uuidOf(2), '8.8.4.4:8080', '8.8.4.4:8080'],
      [uuidOf(3), '2a00:1450::80', '[2a00:1450::80]:80'],
      [uuidOf(4), '2a00:1450::80', '[2a00:1450::80]:80'],
      [uuidOf(5), '[2a00:1450::80]:80', '[2a00:1450::80]:80'],
      [uuidOf(6), '8.8.8.8:80', '8.8.8.8:80'],
    ],
  );
});

test('malformed entries are skipped, the others are taken', () => {
  const bad = [
    null,
    1,
    'x',
    [],
    [UUID, '8.8.8.8'],
    {},
    { uuid: UUID },
    { ip: '8.8.8.8' },
    { uuid: UUID, ip: 8 },
    { uuid: UUID, ip: ['8.8.8.8'] },
    { uuid: UUID, ip: '169.254.169.254' },
    { uuid: UUID, ip: '127.0.0.1' },
    { uuid: UUID, ip: '10.0.0.1:80' },
    { uuid: UUID, ip: '8.8.8.8:80\r\nx: y' },
    { uuid: UUID, address: '8.8.8.8' },
  ];
  const { heard } = parse({ consumers: [...bad, { uuid: UUID, ip: '8.8.8.8' }] });
  assert.deepEqual(parse({ consumers: bad }), SAYS_NOTHING);
  assert.equal(heard.length, 1);
});

test('of two addresses for one uuid the first stays', () => {
  const consumers = [
    { uuid: UUID, ip: '8.8.8.8' },
    { uuid: UUID.toUpperCase(), ip: '8.8.4.4' },
  ];
  const { heard } = parse({ consumers });
  assert.deepEqual(
    heard.map(({ raw }) => raw),
    ['8.8.8.8'],
  );
});

test('of a thousand entries the first fifty are looked at', () => {
  const consumers = Array.from({ length: 1000 }, (_, n) => ({ uuid: uuidOf(n), ip: '8.8.8.8' }));
  const { heard } = parse({ consumers });
  assert.equal(heard.length, MAX_HEARD);
  assert.equal(heard.at(-1)?.uuid, uuidOf(49));
  assert.deepEqual(parse({ consumers: [...Array(50).fill(0), ...consumers] }), SAYS_NOTHING);
});

test('our address as a peer saw it is the same in each spelling', () => {
  for (const ip of ['8.8.8.8', '::ffff:8.8.8.8', '::FFFF:808:808', '0:0:0:0:0:ffff:0808:0808']) {
    assert.deepEqual(parse({ you: { ip } }).you, { ip: '8.8.8.8' }, ip);
  }
  assert.deepEqual(parse({ you: { ip: '2A00:1450:0::80' } }).you, { ip: '2a00:1450::80' });
});

test('consumers that is no array says nothing', () => {
  for (const consumers of [null, 1, 'x', {}, { length: 3, 0: { uuid: UUID, ip: '8.8.8.8' } }]) {
    assert.deepEqual(parse({ consumers }), SAYS_NOTHING);
  }
});

/** Any UTF-16 unit, lone surrogates too; fast-check's own `binary` takes seconds to set up. */
const anyUnit = fc.nat(0xffff).map((code) => String.fromCharCode(code));

test('whatever comes, only canonical strings and callable addresses leave', () => {
  const uuid = fc.oneof(fc.uuid(), fc.string(), fc.constant(null), fc.integer());
  const ip = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string(),
    fc.integer(),
    fc.ipV4().map((v4) => `${v4}:80`),
  );
  const reply = fc.record(
    { uuid, consumers: fc.oneof(fc.anything(), fc.array(fc.oneof(fc.record({ uuid, ip }), fc.anything()))) },
    { requiredKeys: [] },
  );
  const text = fc.oneof(
    fc.string({ unit: anyUnit }),
    fc.json(),
    reply.map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(text, (body) => {
      const { names, heard } = parse(body);
      if (names !== undefined && names !== 'unreadable') assert.equal(parseUuid(names), names);
      for (const { uuid, address, raw } of heard) {
        assert.equal(parseUuid(uuid), uuid);
        assert.ok(policy.permits(address.ip, address.port));
        assert.ok(raw === address.ip || raw === address.key);
        assert.deepEqual(policy.parse(raw), { address });
      }
    }),
  );
});
