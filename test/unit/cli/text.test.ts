import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { progressLine } from '../../../cli/jobs/progress.ts';
import { textOf } from '../../../cli/text/line.ts';
import { createScreen } from '../../../cli/text/screen.ts';
import { tableRows } from '../../../cli/text/table.ts';
import { plural, tallyText, thousands } from '../../../report/text/count.ts';
import { clean, harmlessJson, visible } from '../../../report/text/escape.ts';
import { duration, relative, shortDuration, stamp } from '../../../report/text/time.ts';

const HOSTILE = fc.string({ unit: 'binary', maxLength: 300 });

describe('what strangers gave', () => {
  test('is shown as printable ASCII, whatever it is, and never longer than allowed', () => {
    fc.assert(
      fc.property(HOSTILE, fc.integer({ min: 1, max: 80 }), (text, max) => {
        const shown = visible(text, max);
        assert.ok(shown.length <= max);
        assert.match(shown, /^[\x20-\x7e]*…?$/);
      }),
    );
  });

  test('is told apart from what only looks like it', () => {
    assert.equal(visible('\u001b[31m\\u{1b}'), '\\u{1b}[31m\\\\u{1b}');
  });

  test('steers no terminal in texts, in either direction of writing', () => {
    assert.equal(
      clean('a\u001b[2Jb\r\n\u202ec\u009b\u2028\ud800'),
      'a\\u{1b}[2Jb\\u{d}\\u{a}\\u{202e}c\\u{9b}\\u{2028}\\u{d800}',
    );
    fc.assert(fc.property(HOSTILE, (text) => assert.doesNotMatch(clean(text), /[\p{C}\p{Zl}\p{Zp}]/u)));
  });

  test('comes through JSON unchanged and harmless', () => {
    fc.assert(
      fc.property(HOSTILE, (text) => {
        const json = harmlessJson({ [text]: text });
        assert.doesNotMatch(json.replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}]/u);
        assert.deepEqual(JSON.parse(json), { [text]: text });
      }),
    );
  });
});

describe('a screen', () => {
  const screenOf = (columns: number, colour = false) => {
    let out = '';
    const write = (text: string) => {
      out += text;
    };
    const screen = createScreen({ columns, colour, write });
    return { screen, read: () => out };
  };

  test('wraps beside its label', () => {
    const { screen, read } = screenOf(40);
    screen.entry('label', 'one two three four five six seven eight nine ten');
    assert.equal(read(), 'label      one two three four five six\n           seven eight nine ten\n');
  });

  test('paints only where it may', () => {
    const plain = screenOf(80);
    plain.screen.line(['alive', 'good'], ' x');
    assert.equal(plain.read(), 'alive x\n');
    const painted = screenOf(80, true);
    painted.screen.line(['ali\u001bve', 'good'], ' x');
    assert.equal(painted.read(), '\u001b[32mali\\u{1b}ve\u001b[0m x\n');
  });

  test('shortens in a table what may give way, and keeps its ends', () => {
    const columns = [{ title: 'a' }, { title: 'address', least: 10 }];
    const rows = tableRows(columns, [['x', '[2001:db8:1:2:3:4:5:6]:8080']], 24);
    assert.deepEqual(
      rows.map((row) => row.map(textOf).join('')),
      ['a  address', 'x  [2001:db8:…:5:6]:8080'],
    );
  });
});

describe('figures', () => {
  test('of time are short, and never throw', () => {
    const MINUTE = 60_000;
    assert.deepEqual([64, 1_440, 41_000, 12 * MINUTE, 180 * MINUTE, 5 * 1_440 * MINUTE].map(duration), [
      '64 ms',
      '1.4 s',
      '41 s',
      '12 min',
      '3 h',
      '5 days',
    ]);
    assert.deepEqual(
      [relative(1_000, 42_000), relative(42_000, 1_000), relative(5, 10)],
      ['41 s ago', 'in 41 s', 'just now'],
    );
    assert.equal(stamp(1_764_000_000_000), '2025-11-24 16:00:00Z');
    assert.equal(stamp(9e15), 'no valid time');
    fc.assert(
      fc.property(fc.integer(), (ms) => {
        assert.ok(shortDuration(ms).length <= 5);
        duration(ms);
        stamp(ms);
      }),
    );
  });

  test('of numbers can be read', () => {
    assert.equal(thousands(1_234_567), '1,234,567');
    assert.deepEqual(
      [plural(1, 'entry', 'entries'), plural(2_000, 'entry', 'entries')],
      ['1 entry', '2,000 entries'],
    );
    assert.equal(tallyText({ a: 0, b: 1, c: 2 }), 'c 2, b 1');
  });

  test('of progress fit the line', () => {
    const line = progressLine({ label: 'calling', done: 400, total: 1_000, elapsedMs: 250, columns: 80 });
    assert.equal(line, 'calling [############------------------]  400 of 1,000  1,600/s  375 ms left');
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 200 }),
        (done, total, elapsedMs, columns) => {
          assert.ok(
            progressLine({ label: 'calling', done, total, elapsedMs, columns }).length <
              Math.max(1, columns) || columns === 1,
          );
        },
      ),
    );
  });
});
