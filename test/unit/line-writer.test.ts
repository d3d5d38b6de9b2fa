import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createLineWriter, type LineOptions } from '../../lib/line-writer.ts';
import { LOG_FORMATS } from '../../lib/variables.ts';

function create(options: Partial<LineOptions> = {}) {
  const lines: string[] = [];
  const writer = createLineWriter({
    write: (line) => lines.push(line),
    level: 'INFO',
    format: 'text',
    now: () => new Date('2026-11-24T06:00:00Z'),
    ...options,
  });
  return { writer, lines };
}

describe('a line', () => {
  test('for people has time, level, message and fields that can be told apart', () => {
    const { writer, lines } = create();
    writer.warn('The address has changed', {
      ip: '203.0.113.7',
      votes: 'a=b c',
      none: undefined,
      counts: { due: 1 },
    });
    assert.deepEqual(lines, [
      '2026-11-24T06:00:00.000Z WARN  The address has changed ip=203.0.113.7 votes="a=b c" counts={"due":1}\n',
    ]);
  });

  test('for a collector is one JSON object', () => {
    const { writer, lines } = create({ format: 'json' });
    writer.error('A run failed', { job: 'sync' });
    assert.deepEqual(JSON.parse(lines[0] ?? ''), {
      level: 'ERROR',
      message: 'A run failed',
      timestamp: '2026-11-24T06:00:00.000Z',
      job: 'sync',
    });
  });

  test("for systemd's journal begins with its priority and leaves the time to the journal", () => {
    const { writer, lines } = create({ journal: true, level: 'DEBUG' });
    writer.debug('a', {});
    writer.info('b', {});
    writer.warn('c', {});
    writer.error('d', {});
    assert.deepEqual(lines, ['<7>a\n', '<6>b\n', '<4>c\n', '<3>d\n']);
  });

  test('below the level is not written', () => {
    const { writer, lines } = create({ level: 'WARN' });
    writer.debug('a', {});
    writer.info('b', {});
    assert.deepEqual(lines, []);
  });

  test('is one line without control characters, whatever is in it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })),
        fc.constantFrom(...LOG_FORMATS),
        (message, fields, format) => {
          const { writer, lines } = create({ format });
          writer.error(message, fields);
          assert.equal(lines.length, 1);
          assert.match(lines[0] ?? '', /^[^\p{Cc}\u2028\u2029]*\n$/u);
        },
      ),
    );
  });
});
