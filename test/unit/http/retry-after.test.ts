import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRetryAfter } from '../../../lib/http/retry-after.ts';

const NOW = Date.UTC(2026, 10, 24, 12, 0, 0);

test('seconds are read as milliseconds', () => {
  const cases: [value: string, ms: number][] = [
    ['0', 0],
    ['1', 1_000],
    ['0120', 120_000],
    ['9999999999', 9_999_999_999_000],
    ['00000000000120', 120_000],
    ['99999999999', 9_999_999_999_000],
    ['1'.repeat(10_000), 9_999_999_999_000],
  ];
  for (const [value, ms] of cases) assert.equal(parseRetryAfter(value, NOW), ms);
});

test('the three date forms of RFC 9110 are read as the time until then', () => {
  assert.equal(parseRetryAfter('Tue, 24 Nov 2026 12:01:30 GMT', NOW), 90_000);
  assert.equal(parseRetryAfter('Tuesday, 24-Nov-26 12:01:30 GMT', NOW), 90_000);
  assert.equal(parseRetryAfter('Tue Nov 24 12:01:30 2026', NOW), 90_000);
  assert.equal(parseRetryAfter('Tue Dec  1 12:00:00 2026', NOW), 7 * 86_400_000);
});

test('a date that has passed asks for no wait', () => {
  assert.equal(parseRetryAfter('Sun, 06 Nov 1994 08:49:37 GMT', NOW), 0);
  assert.equal(parseRetryAfter('Sunday, 06-Nov-94 08:49:37 GMT', NOW), 0);
  assert.equal(parseRetryAfter('Sun Nov  6 08:49:37 1994', NOW), 0);
});

test('a year of two digits is at most fifty years ahead', () => {
  const in50Years = parseRetryAfter('Monday, 23-Nov-76 12:00:00 GMT', NOW) ?? 0;
  assert.equal(new Date(NOW + in50Years).getUTCFullYear(), 2076);
  assert.equal(parseRetryAfter('Thursday, 24-Nov-77 12:00:00 GMT', NOW), 0);
});

test('anything else is not usable', () => {
  for (const value of [
    undefined,
    '',
    ' ',
    '-1',
    '+1',
    '1.5',
    '1e3',
    '0x10',
    ' 10',
    '10 ',
    '10s',
    '10, 20',
    'soon',
    '2026-11-24T12:01:30Z',
    'Tue, 24 Nov 2026 12:01:30 UTC',
    'Tue, 24 Nov 2026 12:01:30 +0000',
    'Tue, 24 Nov 2026 12:01 GMT',
    'Tue, 24 Xyz 2026 12:01:30 GMT',
    'Tue, 99 Nov 2026 12:01:30 GMT',
    'Tue, 24 Nov 2026 99:01:30 GMT',
    'tue, 24 nov 2026 12:01:30 gmt',
    'Tuesday, 24-Xyz-26 12:01:30 GMT',
    'Tue Xyz 24 12:01:30 2026',
  ]) {
    assert.equal(parseRetryAfter(value, NOW), undefined, String(value).slice(0, 40));
  }
});

test('whatever comes, the wait is a whole number of milliseconds that is not negative, or nothing', () => {
  const date = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') });
  const text = fc.oneof(
    fc.string(),
    fc.nat().map(String),
    date.map((at) => at.toUTCString()),
  );
  fc.assert(
    fc.property(text, (value) => {
      const ms = parseRetryAfter(value, NOW);
      assert.ok(ms === undefined || (Number.isSafeInteger(ms) && ms >= 0));
    }),
  );
  fc.assert(
    fc.property(date, (at) => {
      const expected = Math.max(0, Math.floor(at.getTime() / 1_000) * 1_000 - NOW);
      assert.equal(parseRetryAfter(at.toUTCString(), NOW), expected);
    }),
  );
});
