import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import fc from 'fast-check';
import { createReplyParser } from '../../../lib/http/reply-parser.ts';
import { parseRetryAfter } from '../../../lib/http/retry-after.ts';
import { readEcho } from '../../../lib/ip/sources.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { parseOwnIp } from '../../../lib/peers/ip-space.ts';
import { parsePeerRecord } from '../../../lib/peers/registry.ts';
import { MAX_HEARD, parseSyncReply } from '../../../lib/peers/reply.ts';
import { parseUuid } from '../../../lib/peers/uuid.ts';
import {
  addressText,
  anyText,
  callableIp,
  damaged,
  jsonNear,
  mostly,
  nasty,
  nearly,
  uuid,
} from '../../support/arbitraries.ts';
import { cutAt, cuts, damagedReply } from '../../support/http-replies.ts';
import { isIsatap, NOT_PUBLIC } from '../../support/special-purpose.ts';
import { target } from '../target.ts';

const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));

/** More consumers than are listened to, all of them usable. */
const tooMany = fc
  .array(fc.record({ uuid, ip: callableIp }), { minLength: MAX_HEARD + 1, maxLength: MAX_HEARD + 5 })
  .map((consumers) => Buffer.from(JSON.stringify({ consumers })));

/** What the policy let through has to be an address that may be dialled, in the one form that it has. */
function assertCallable({ ip, port, key }: { ip: string; port: number; key: string }): void {
  assert.ok(isIP(ip) !== 0 && !NOT_PUBLIC.has(ip) && !isIsatap(ip), `${ip} is callable`);
  assert.ok(Number.isInteger(port) && port >= 1 && port <= 65_535);
  assert.equal(key, isIP(ip) === 6 ? `[${ip}]:${port}` : `${ip}:${port}`);
  assert.match(key, /^[0-9a-f.:[\]]+$/);
  const again = policy.parse(key);
  assert.ok('address' in again && again.address.key === key, 'its key reads back as itself');
}

const MAX_BODY_BYTES = 40;

function readReply(parts: readonly Buffer[]) {
  const parser = createReplyParser(MAX_BODY_BYTES);
  for (const part of parts) {
    const parsed = parser.push(part);
    if (parsed !== undefined) return parsed;
  }
  return parser.end();
}

export const PEERS = [
  target('http-reply', fc.tuple(damagedReply, cuts), ([text, places]) => {
    const parsed = readReply(cutAt(text, places));
    assert.deepEqual(parsed, readReply(cutAt(text, [])), 'it is the same wherever the network cuts it');
    if (parsed.kind === 'failed') {
      assert.ok(['malformed', 'redirect', 'oversized', 'reset'].includes(parsed.error), parsed.error);
      return false;
    }
    const { status, body, retryAfter = '' } = parsed;
    assert.ok(Number.isInteger(status) && status >= 200 && status <= 599 && (status < 300 || status > 399));
    assert.ok(body.length <= MAX_BODY_BYTES && text.includes(` ${status}`));
    assert.match(retryAfter, /^[\t\x20-\x7e\x80-\xff]*$/);
    assert.doesNotMatch(retryAfter, /^[\t ]|[\t ]$/);
    return true;
  }),

  target(
    'address',
    fc.oneof({ weight: 9, arbitrary: addressText }, { weight: 1, arbitrary: nasty }),
    (raw) => {
      const parsed = policy.parse(raw);
      if ('address' in parsed) assertCallable(parsed.address);
      else assert.ok(['not-an-address', 'not-public', 'forbidden'].includes(parsed.refused));
      return 'address' in parsed;
    },
  ),

  target(
    'peer-record',
    fc.tuple(mostly(fc.oneof(uuid, damaged(uuid))), mostly(addressText)),
    ([field, raw]) => {
      const parsed = parsePeerRecord(field, raw, policy);
      if ('refused' in parsed) return false;
      const { record } = parsed;
      assertCallable(record.address);
      assert.equal(parseUuid(record.uuid), record.uuid);
      assert.deepEqual([record.field, record.raw], [field, raw], 'what a script compares is what was read');
      return true;
    },
  ),

  target(
    'reply',
    fc.oneof(
      {
        weight: 40,
        arbitrary: jsonNear(
          nearly({
            uuid,
            consumers: fc.array(mostly(nearly({ uuid, ip: addressText })), { maxLength: 60, size: 'small' }),
          }),
        ).map((text) => Buffer.from(text)),
      },
      { weight: 4, arbitrary: bytes },
      { weight: 1, arbitrary: tooMany },
    ),
    (body) => {
      const { names, heard, ...rest } = parseSyncReply(body, policy);
      assert.deepEqual(rest, {});
      assert.ok(names === undefined || names === 'unreadable' || parseUuid(names) === names);
      assert.ok(heard.length <= MAX_HEARD);
      assert.equal(new Set(heard.map((each) => each.uuid)).size, heard.length);
      for (const each of heard) {
        assert.equal(parseUuid(each.uuid), each.uuid);
        assertCallable(each.address);
        assert.ok(each.raw === each.address.ip || each.raw === each.address.key);
      }
      const retold = { uuid: names, consumers: heard.map((each) => ({ uuid: each.uuid, ip: each.raw })) };
      const again = parseSyncReply(Buffer.from(JSON.stringify(retold)), policy);
      assert.deepEqual(again.heard, heard, 'told on, it is the same');
      assert.equal(again.names, names);
      return heard.length > 0 && names !== undefined;
    },
  ),

  target(
    'retry-after',
    fc.tuple(
      fc.oneof(
        anyText,
        fc.nat().map(String),
        damaged(fc.bigInt({ min: 0n, max: 10n ** 12n }).map(String)),
        damaged(
          fc
            .date({ noInvalidDate: true })
            .chain((date) =>
              fc.constantFrom(
                date.toUTCString(),
                date.toUTCString().replace(/^(\w+), (\d+) (\w+) \d*(\d\d) /, '$1day, $2-$3-$4 '),
                date.toUTCString().replace(/^(\w+), 0?(\d+) (\w+) (\d+) (\S+) GMT/, '$1 $3 $2 $5 $4'),
              ),
            ),
        ),
      ),
      fc.nat(4_000_000_000_000),
    ),
    ([value, nowMs]) => {
      const waitMs = parseRetryAfter(value, nowMs);
      if (waitMs === undefined) return false;
      assert.ok(Number.isSafeInteger(waitMs) && waitMs >= 0, `${waitMs}`);
      assert.ok(waitMs <= 9_999_999_999_000 || nowMs + waitMs <= Date.UTC(9999, 11, 31, 24));
      if (waitMs % 1_000 === 0 && waitMs <= 9_999_999_999_000) {
        assert.equal(parseRetryAfter(String(waitMs / 1_000), nowMs), waitMs, 'in seconds it is the same');
      }
      return true;
    },
  ),

  target(
    'ip-source',
    fc.tuple(
      fc.oneof(
        {
          weight: 9,
          arbitrary: fc
            .tuple(
              fc.constantFrom('', '\n', ' ', '\t\r\n', '\u00a0', '\v', '<p>'),
              addressText,
              fc.constantFrom('', '\n', '\r\n', '\0', '\u00a0', '\f', ' x'),
            )
            .map((parts) => Buffer.from(parts.join(''), 'latin1')),
        },
        { weight: 1, arbitrary: bytes },
      ),
      fc.constantFrom(4 as const, 6 as const),
    ),
    ([body, family]) => {
      const parsed = parseOwnIp(readEcho(body), { family, allow: [] });
      if ('refused' in parsed) return false;
      const { ip } = parsed;
      assert.equal(isIP(ip), family);
      assert.ok(!NOT_PUBLIC.has(ip), `${ip} is believed`);
      const whole = body.toString('latin1').replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
      assert.equal(isIP(whole), family, 'the whole body is the address');
      assert.deepEqual(parseOwnIp(ip, { family, allow: [] }), { ip });
      return true;
    },
  ),
];
