import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wrap } from '../../../cli/text/line.ts';
import { formatLine } from '../../../local/terminal.ts';

const AT = new Date(2026, 0, 2, 3, 4, 5);
const PLAIN = { columns: 80, colour: false };

test('a line starts with the local time and its tag', () => {
  assert.equal(formatLine({ tag: 'ip', text: 'checked' }, AT, PLAIN), '03:04:05  ip      checked');
});

test('a long text is wrapped under itself and fits 80 columns', () => {
  const text = 'word '.repeat(40).trim();
  const rows = formatLine({ tag: 'sync', text, details: [text] }, AT, PLAIN).split('\n');
  assert.ok(rows.length > 4);
  for (const row of rows) assert.ok(row.length <= 80, row);
  assert.equal(
    rows.slice(1).every((row) => row.startsWith(' '.repeat(18))),
    true,
  );
  assert.equal(rows.join(' ').split('word').length, 81);
});

test('a word that is wider than the terminal is not cut, so that it can be copied', () => {
  const url = `http://127.0.0.1:3002/${'x'.repeat(90)}`;
  assert.deepEqual(wrap(`see ${url} now`, 40), ['see', url, 'now']);
});

test('control characters of a peer never reach the terminal', () => {
  const text = 'a\u001b[2Jb\r\nc\u0007\u009bd\u202ee\u2028f';
  const printed = formatLine({ tag: 'log', text, details: [text] }, AT, PLAIN);
  assert.doesNotMatch(printed.replaceAll('\n', ''), /\p{Cc}|\p{Cf}/u);
});

test('colour is used only where it is wanted', () => {
  const line = { tag: 'ip', text: 'changed', tone: 'good' } as const;
  assert.equal(formatLine(line, AT, PLAIN).includes('\u001b'), false);
  assert.equal(
    formatLine(line, AT, { columns: 80, colour: true }).includes('\u001b[32mchanged\u001b[0m'),
    true,
  );
});
