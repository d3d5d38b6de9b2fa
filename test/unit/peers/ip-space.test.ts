import assert from 'node:assert/strict';
import { isIP, SocketAddress } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import {
  carriesV4,
  cidr,
  familyOf,
  inCidr,
  isPublicUnicast,
  isThisMachine,
  parseCidr,
  parseIp,
  parseOwnIp,
} from '../../../lib/peers/ip-space.ts';
import { changed } from '../../support/arbitraries.ts';
import { SPECIAL_V4, SPECIAL_V6 } from '../../support/special-purpose.ts';
import { ip } from '../../support/votes.ts';

test('no end of a special-purpose range is public', () => {
  for (const [range, first, last] of [...SPECIAL_V4, ...SPECIAL_V6]) {
    assert.equal(isPublicUnicast(ip(first)), false, `${first} of ${range}`);
    assert.equal(isPublicUnicast(ip(last)), false, `${last} of ${range}`);
    assert.ok(inCidr(ip(first), cidr(range)) && inCidr(ip(last), cidr(range)), `the ends of ${range}`);
  }
});

test('nothing inside a special-purpose range is public', () => {
  const v4 = fc.constantFrom(...SPECIAL_V4).map(([range]) => range);
  const v6 = fc.constantFrom(...SPECIAL_V6).map(([range]) => range);
  fc.assert(
    fc.property(v4, fc.nat(0xffffffff), (range, random) => {
      const [base = '', length = ''] = range.split('/');
      const start = base.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
      const value = start + (random % 2 ** (32 - Number(length)));
      const text = [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
      assert.equal(isPublicUnicast(ip(text)), false, text);
    }),
  );
  fc.assert(
    fc.property(v6, fc.bigInt(0n, 2n ** 128n - 1n), (range, random) => {
      const [base = '', length = ''] = range.split('/');
      const value = toBigInt(base) | (random & (2n ** BigInt(128 - Number(length)) - 1n));
      assert.equal(isPublicUnicast(ip(fromBigInt(value))), false, fromBigInt(value));
    }),
  );
});

test('the neighbours of special-purpose ranges are public', () => {
  for (const text of [
    '1.0.0.0',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '191.255.255.255',
    '192.0.1.0',
    '192.0.3.0',
    '192.88.98.255',
    '192.88.100.0',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '198.51.99.255',
    '198.51.101.0',
    '203.0.112.255',
    '203.0.114.0',
    '223.255.255.255',
    '168.63.129.15',
    '168.63.129.17',
    '2000::',
    '2001:200::',
    '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff',
    '2001:db9::',
    '2003::',
    '2620:4f:7fff::1',
    '2620:4f:8001::',
    '3ffe:ffff::',
    '3fff:1000::',
    '2a00:1450:4001::200e',
  ]) {
    assert.equal(isPublicUnicast(ip(text)), true, text);
  }
});

test('outside 2000::/3 no v6 address is public', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 128n - 1n), (value) => {
      if (value >> 125n === 1n) return;
      assert.equal(isPublicUnicast(ip(fromBigInt(value))), false);
    }),
  );
});

test("Azure's platform address is not public, in whatever form", () => {
  for (const text of [
    '168.63.129.16',
    '::ffff:168.63.129.16',
    '64:ff9b::168.63.129.16',
    '2002:a83f:8110::1',
  ]) {
    assert.equal(isPublicUnicast(ip(text)), false, text);
  }
});

test('an ISATAP interface identifier carries a v4 address under any prefix', () => {
  for (const text of [
    '2a00:1450::5efe:a9fe:a9fe',
    '2a00:1450::200:5efe:10.0.0.1',
    '2a00:1450::100:5efe:8.8.8.8',
    '2a00:1450::300:5efe:808:808',
    'fd00::5efe:10.0.0.1',
  ]) {
    assert.equal(carriesV4(ip(text)), true, text);
    assert.equal(isPublicUnicast(ip(text)), false, text);
  }
  for (const text of ['2a00:1450::400:5efe:1:1', '2a00:1450::5eff:1:1', '2a00:1450:5efe::1']) {
    assert.equal(carriesV4(ip(text)), false, text);
    assert.equal(isPublicUnicast(ip(text)), true, text);
  }
});

test('loopback and the unspecified address are this machine', () => {
  for (const text of ['127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '::', '::1']) {
    assert.equal(isThisMachine(ip(text)), true, text);
  }
  for (const text of ['128.0.0.1', '10.0.0.1', '8.8.8.8', '::2', 'fe80::1']) {
    assert.equal(isThisMachine(ip(text)), false, text);
  }
});

test('an IP has one canonical form, which is what the operating system prints', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const canonical = ip(text);
      assert.equal(parseIp(canonical), canonical);
      assert.equal(parseIp(canonical.toUpperCase()), canonical);
      const family = familyOf(canonical);
      assert.equal(isIP(canonical), family);
      const printed = new SocketAddress({ address: text, family: family === 4 ? 'ipv4' : 'ipv6' }).address;
      // inet_ntop prints the v4 part of mapped and compatible addresses in dots.
      if (!(family === 6 && printed.includes('.'))) assert.equal(canonical, printed);
    }),
    { numRuns: 1_000 },
  );
});

test('of the many spellings of a v4 address only the canonical one is read', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV4Extended(), changed(fc.ipV4())), (text) => {
      const parsed = parseIp(text);
      if (parsed !== undefined && familyOf(parsed) === 4) {
        assert.equal(parsed, ipaddr.parse(text).toString());
        assert.equal(parsed, text);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a network is an IP and a plain prefix length', () => {
  for (const text of ['10.0.0.0/8', '0.0.0.0/0', '8.8.8.8/32', '::/0', 'fd00::/128']) {
    assert.ok(parseCidr(text) !== undefined, text);
  }
  for (const text of [
    '',
    '/',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/8/8',
    '10/8',
    '10.0.0.0/255.0.0.0',
    ' 10.0.0.0/8',
    '10.0.0.0/8\n',
    '10.0.0.0 /8',
    '010.0.0.0/8',
    'fe80::%1/10',
    '10.0.0.0/8.0',
  ]) {
    assert.equal(parseCidr(text), undefined, text);
  }
  assert.throws(() => cidr('10/8'), /not a network/);
});

test('a v4 address is in no v6 network, nor the other way round', () => {
  assert.equal(inCidr(ip('8.8.8.8'), cidr('::/0')), false);
  assert.equal(inCidr(ip('::ffff:8.8.8.8'), cidr('0.0.0.0/0')), false);
  assert.equal(inCidr(ip('8.8.8.8'), cidr('0.0.0.0/0')), true);
});

test('our own IP is public and of our family, unless its network is allowed', () => {
  const v4 = { family: 4, allow: [cidr('10.0.0.0/8')] } as const;
  assert.deepEqual(parseOwnIp('8.8.8.8', v4), { ip: '8.8.8.8' });
  assert.deepEqual(parseOwnIp('10.1.2.3', v4), { ip: '10.1.2.3' });
  assert.deepEqual(parseOwnIp('192.168.0.1', v4), { refused: 'not-public' });
  assert.deepEqual(parseOwnIp('2a00::1', v4), { refused: 'wrong-family' });
  assert.deepEqual(parseOwnIp('2A00::0001', { family: 6, allow: [] }), { ip: '2a00::1' });
  assert.deepEqual(parseOwnIp('::ffff:8.8.8.8', { family: 6, allow: [] }), { refused: 'not-public' });
  for (const raw of [undefined, null, 8, '', '8.8.8', '8.8.8.8 ', '8.8.8.8:80', '8'.repeat(1_000_000)]) {
    assert.deepEqual(parseOwnIp(raw, v4), { refused: 'not-an-ip' });
  }
});

function toBigInt(v6: string): bigint {
  const [head = '', tail] = v6.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const right = tail === undefined ? [] : groups(tail);
  const left = groups(head);
  const all = [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
  return all.reduce((sum: bigint, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function fromBigInt(value: bigint): string {
  return Array.from({ length: 8 }, (_, n) => ((value >> BigInt(112 - 16 * n)) & 0xffffn).toString(16)).join(
    ':',
  );
}
