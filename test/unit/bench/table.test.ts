import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROWS } from '../../../bench/rows/index.ts';
import { formatList, formatRow, formatVerdict, WIDTH } from '../../../bench/table.ts';

const row = { name: 'round', title: 'a whole round against a bare loop' };
const figure = (value: number) => ({
  name: 'rate of the round / the loop',
  value,
  unit: 'x',
  spread: [0.8, 1.25] as const,
  target: { atLeast: 0.85 },
});

function assertFits(text: string): void {
  for (const line of text.split('\n')) assert.ok(line.length <= WIDTH, `${line.length} columns: ${line}`);
}

test('a figure stands with its spread, its target and whether that is met', () => {
  const met = formatRow(row, { kind: 'measured', figures: [figure(0.91234)], notes: [] });
  assert.match(met, /^round: a whole round/);
  assert.match(met, /rate of the round \/ the loop +0\.912 x +\(0\.8-1\.25\) +>= 0\.85 met$/m);
  const missed = formatRow(row, { kind: 'measured', figures: [figure(0.5)], notes: [] });
  assert.match(missed, />= 0\.85 MISSED$/m);
});

test('a figure without a target claims nothing', () => {
  const text = formatRow(row, {
    kind: 'measured',
    figures: [{ name: 'rate', value: 5_123.4, unit: '/s' }],
    notes: [],
  });
  assert.match(text, /rate +5,123 \/s$/m);
});

test('a skipped row says so loudly', () => {
  assert.match(
    formatRow(row, { kind: 'skipped', why: 'there is no redis-server' }),
    /SKIPPED: there is no redis-server/,
  );
});

test('the last line names what was missed and what was skipped', () => {
  const outcomes = [
    { name: 'a', outcome: { kind: 'measured', figures: [figure(1)], notes: [] } },
    { name: 'b', outcome: { kind: 'measured', figures: [figure(0)], notes: [] } },
    { name: 'c', outcome: { kind: 'skipped', why: 'no curl' } },
  ] as const;
  assert.equal(formatVerdict(outcomes), '1 of 3 rows met their targets; missed: b; skipped: c');
});

test('everything fits the terminal', () => {
  assertFits(formatList(ROWS));
  for (const { name, title } of ROWS) {
    assertFits(
      formatRow(
        { name, title },
        {
          kind: 'measured',
          figures: [
            { ...figure(123_456.7), name: 'modules of the SDK or ioredis loaded', spread: [1_000, 123_456] },
          ],
          notes: [
            'a long note about how this was measured and about what it was measured with, over and over again',
          ],
        },
      ),
    );
  }
});

test('the rows have names of their own, and say what they aim at', () => {
  assert.equal(new Set(ROWS.map(({ name }) => name)).size, ROWS.length);
  for (const { name, targets } of ROWS) {
    assert.match(name, /^[a-z-]+$/);
    assert.match(targets, /\d/, name);
  }
});
