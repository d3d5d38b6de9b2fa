import assert from 'node:assert/strict';
import { isIP, Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AddressRefusal,
  addressKey,
  createAddressPolicy,
  withoutSelf,
} from '../../../lib/peers/address.ts';
import { cidr, parseIp } from '../../../lib/peers/ip-space.ts';
import { createPostToPeer } from '../../../lib/peers/post.ts';
import { addressText } from '../../support/arbitraries.ts';
import { NO_ADDRESSES } from '../../support/hostile-addresses.ts';
import { rangesOf, SPECIAL_V4, SPECIAL_V6 } from '../../support/special-purpose.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
const openToAll = createAddressPolicy({
  defaultPort: 80,
  allow: [cidr('0.0.0.0/0'), cidr('::/0')],
  runtimeApi: '127.0.0.1:9001',
});

const refusalOf = (raw: unknown, rules = policy): AddressRefusal | undefined => {
  const parsed = rules.parse(raw);
  return 'refused' in parsed ? parsed.refused : undefined;
};
const keyOf = (raw: unknown, rules = policy): string | AddressRefusal => {
  const parsed = rules.parse(raw);
  return 'refused' in parsed ? parsed.refused : parsed.address.key;
};

test('an address is an IP literal with an optional port, and has one key', () => {
  const cases: [raw: string, key: string][] = [
    ['8.8.8.8', '8.8.8.8:80'],
    ['8.8.8.8:80', '8.8.8.8:80'],
    ['8.8.8.8:1', '8.8.8.8:1'],
    ['8.8.8.8:65535', '8.8.8.8:65535'],
    ['2a00:1450::1', '[2a00:1450::1]:80'],
    ['[2a00:1450::1]', '[2a00:1450::1]:80'],
    ['[2A00:1450:0:0::1]:8080', '[2a00:1450::1]:8080'],
    ['2a00:1450::80', '[2a00:1450::80]:80'],
    ['2a00:1450:0:0:0:0:8.8.8.8', '[2a00:1450::808:808]:80'],
  ];
  for (const [raw, key] of cases) assert.equal(keyOf(raw), key);
});

test('an address without a port has the default port', () => {
  assert.equal(keyOf('8.8.8.8', createAddressPolicy({ defaultPort: 8080, allow: [] })), '8.8.8.8:8080');
});

const METADATA = '169.254.169.254';

for (const [kind, inputs] of Object.entries(NO_ADDRESSES)) {
  test(`${kind} is no address (${inputs.length} inputs)`, () => {
    for (const raw of inputs) {
      assert.equal(refusalOf(raw), 'not-an-address', String(raw).slice(0, 60));
      assert.equal(refusalOf(raw, openToAll), 'not-an-address', String(raw).slice(0, 60));
    }
  });
}

test('no end of a special-purpose range is called', () => {
  for (const [, first, last] of [...SPECIAL_V4, ...SPECIAL_V6]) {
    for (const raw of [first, last]) {
      const forms = isIP(raw) === 4 ? [raw, `${raw}:8080`] : [raw, `[${raw}]`, `[${raw}]:8080`];
      for (const form of forms) {
        assert.ok(['not-public', 'forbidden'].includes(refusalOf(form) ?? ''), form);
      }
    }
  }
});

test('a v4 address that is refused is refused inside every v6 form', () => {
  for (const v4 of [METADATA, '127.0.0.1', '10.0.0.1', '192.168.0.1', '168.63.129.16', '8.8.8.8']) {
    const [a = 0, b = 0, c = 0, d = 0] = v4.split('.').map(Number);
    const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
    for (const raw of [
      `::${v4}`,
      `::ffff:${v4}`,
      `::ffff:${hex}`,
      `0:0:0:0:0:FFFF:${hex}`,
      `::ffff:0:${v4}`,
      `64:ff9b::${v4}`,
      `64:ff9b:1::${v4}`,
      `2002:${hex}::1`,
      `2001:0:${hex}::1`,
      `2a00:1450::5efe:${v4}`,
      `2a00:1450::200:5efe:${hex}`,
    ]) {
      assert.equal(refusalOf(raw), 'forbidden', raw);
      assert.equal(refusalOf(`[${raw}]:80`, openToAll), 'forbidden', raw);
    }
  }
});

test('PEER_ALLOW_CIDRS opens private ranges, and those alone', () => {
  const rules = createAddressPolicy({
    defaultPort: 80,
    allow: [cidr('10.1.0.0/16'), cidr('fd12::/16'), cidr('::1/128')],
  });
  for (const raw of ['10.1.0.0', '10.1.255.255:8080', 'fd12::1', '[fd12::1]:80', '::1', '8.8.8.8']) {
    assert.equal(refusalOf(raw, rules), undefined, raw);
  }
  for (const raw of ['10.0.255.255', '10.2.0.0', 'fd13::1', '127.0.0.1']) {
    assert.equal(refusalOf(raw, rules), 'not-public', raw);
  }
});

test('PEER_ALLOW_CIDRS never opens a metadata service, in whatever form', () => {
  for (const raw of [
    METADATA,
    '169.254.169.254:80',
    '169.254.0.0',
    '169.254.255.255',
    '169.254.170.2',
    '169.254.100.1:9001',
    'fd00:ec2::254',
    '[fd00:ec2::254]:80',
    'fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff',
    'fd00:c1::a9fe:a9fe',
    'fd20:ce::254',
    '100.100.100.200',
    '168.63.129.16',
    '168.63.129.16:32526',
    '192.0.0.192',
    '0.0.0.0',
    '0.0.0.1:80',
    '::',
    'fe80::a9fe:a9fe',
    '255.255.255.255',
  ]) {
    assert.equal(refusalOf(raw, openToAll), 'forbidden', raw);
  }
});

test("Lambda's runtime API is never called, by whatever address of this machine", () => {
  for (const raw of [
    '127.0.0.1:9001',
    '127.0.0.2:9001',
    '127.255.255.255:9001',
    '0.0.0.0:9001',
    '[::1]:9001',
    '[::]:9001',
  ]) {
    assert.equal(refusalOf(raw, openToAll), 'forbidden', raw);
  }
  for (const raw of ['127.0.0.1:9000', '127.0.0.1:9002', '[::1]:80', '10.0.0.1:9001', '8.8.8.8:9001']) {
    assert.equal(refusalOf(raw, openToAll), undefined, raw);
  }
});

test('the runtime API may be named in other ways', () => {
  const allow = [cidr('0.0.0.0/0'), cidr('::/0')];
  const rules = (runtimeApi: string) => createAddressPolicy({ defaultPort: 80, allow, runtimeApi });
  assert.equal(refusalOf('127.0.0.1:9001', rules('localhost:9001')), 'forbidden');
  assert.equal(refusalOf('[::1]:9001', rules('localhost:9001')), 'forbidden');
  assert.equal(refusalOf('127.0.0.1:80', rules('sandbox')), 'forbidden');
  assert.equal(refusalOf('10.9.8.7:9001', rules('10.9.8.7:9001')), 'forbidden');
  assert.equal(refusalOf('10.9.8.7:9002', rules('10.9.8.7:9001')), undefined);
  assert.equal(refusalOf('127.0.0.1:9001', rules('10.9.8.7:9001')), undefined);
  assert.equal(refusalOf('127.0.0.1:9001', rules('[::1]:9001')), 'forbidden');
});

test('an address of our own is no peer, by ip and port', () => {
  const [v4, v6] = [parseIp('8.8.8.8'), parseIp('2a00::1')];
  assert.ok(v4 && v6);
  const [over4, over6] = [v4, v6].map((ip) => withoutSelf(policy, { ip, port: 80 }));
  assert.ok(over4 && over6);
  for (const raw of ['8.8.8.8', '8.8.8.8:80']) assert.equal(refusalOf(raw, over4), 'self', raw);
  for (const raw of ['2a00::1', '[2A00:0::1]:80']) assert.equal(refusalOf(raw, over6), 'self', raw);
  for (const raw of ['8.8.8.8:81', '8.8.4.4', '2a00::1']) assert.equal(refusalOf(raw, over4), undefined, raw);
  assert.equal(refusalOf('[2a00::1]:8080', over6), undefined);
  assert.equal(refusalOf('127.0.0.1', over4), 'not-public');
  assert.equal(over4.permits(v4, 80), false);
  assert.equal(over4.permits(v4, 81), true);
  assert.equal(refusalOf('8.8.8.8', withoutSelf(policy, { ip: undefined, port: 80 })), undefined);
});

test('an IPv6 key has brackets, an IPv4 key has none', () => {
  const [v4, v6] = [parseIp('8.8.8.8'), parseIp('2a00::1')];
  assert.ok(v4 && v6);
  assert.equal(addressKey(v4, 80), '8.8.8.8:80');
  assert.equal(addressKey(v6, 80), '[2a00::1]:80');
});

test('equal keys are equal addresses, and a key reads back as itself', () => {
  fc.assert(
    fc.property(addressText, (raw) => {
      const parsed = policy.parse(raw);
      if ('refused' in parsed) return;
      assert.deepEqual(policy.parse(parsed.address.key), parsed);
    }),
    { numRuns: 2_000 },
  );
});

test('whatever string comes, nothing outside the allowed space is dialled', async () => {
  const dialled: { host: string; port: number }[] = [];
  const allow = ['10.0.0.0/8', '127.0.0.0/8', 'fd00::/8', '169.254.0.0/16', '::ffff:0:0/96'];
  const rules = createAddressPolicy({
    defaultPort: 80,
    allow: allow.map(cidr),
    runtimeApi: '127.0.0.1:9001',
  });
  const post = createPostToPeer({
    policy: rules,
    connect: (target) => {
      dialled.push(target);
      return new Socket().destroy(new Error('only recorded'));
    },
  });
  let allowed = 0;
  await fc.assert(
    fc.asyncProperty(addressText, async (raw) => {
      const parsed = rules.parse(raw);
      if ('refused' in parsed) return;
      allowed += 1;
      await post({ address: parsed.address, path: '/sync', body: '{}', timeoutMs: 1_000 });
    }),
    { numRuns: 3_000 },
  );
  assert.equal(dialled.length, allowed);
  assert.ok(allowed > 100, 'the generator reaches allowed addresses as well');
  const forbidden = rangesOf(
    [...SPECIAL_V4, ...SPECIAL_V6].map(([range]) => range).concat('168.63.129.16/32', 'fd00:ec2::/32'),
  );
  const opened = rangesOf(['10.0.0.0/8', '127.0.0.0/8', 'fd00::/8']);
  const never = rangesOf(['169.254.0.0/16', 'fd00:ec2::/32', '::ffff:0:0/96', '168.63.129.16/32']);
  for (const { host, port } of dialled) {
    assert.notEqual(isIP(host), 0, host);
    assert.ok(port >= 1 && port <= 65535);
    assert.ok(!never.has(host), `${host} is never dialled`);
    assert.ok(opened.has(host) || !forbidden.has(host), `${host} is in a special-purpose range`);
    assert.notEqual(`${host}:${port}`, '127.0.0.1:9001');
  }
});
