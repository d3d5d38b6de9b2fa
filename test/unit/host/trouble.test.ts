import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTrouble } from '../../../host/trouble.ts';
import { IdentityError, RedisReplyError, RedisUnavailableError } from '../../../lib/errors.ts';
import type { Log, LogFields } from '../../../lib/host.ts';

const MINUTE = 60_000;
const away = () => new RedisUnavailableError('Redis cannot be reached.', { mayHaveRun: false });

function create() {
  let nowMs = 0;
  const lines: [level: string, message: string, fields: LogFields | undefined][] = [];
  const states: string[] = [];
  const at = (level: string) => (message: string, fields?: LogFields) => {
    lines.push([level, message, fields]);
  };
  const log: Log = { debug: () => {}, info: at('info'), warn: at('warn'), error: at('error') };
  const trouble = createTrouble({
    log,
    clock: { nowMs: () => nowMs },
    onRedis: (state) => states.push(state),
  });
  return {
    trouble,
    lines,
    states,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe('trouble', () => {
  test('with Redis for an hour is one line when it goes and one when it is back', () => {
    const { trouble, lines, states, pass } = create();
    trouble.succeeded('ip-check');
    for (let minute = 0; minute < 60; minute++) {
      trouble.failed('ip-check', away());
      if (minute % 5 === 0) trouble.failed('sync', away());
      pass(MINUTE);
    }
    trouble.succeeded('sync');
    trouble.succeeded('ip-check');
    assert.deepEqual(lines, [
      [
        'error',
        'Redis is away; each run tries again',
        { job: 'ip-check', reason: 'Redis cannot be reached.' },
      ],
      ['info', 'Redis is back', { forSeconds: 3_600, failedRuns: 72 }],
    ]);
    assert.deepEqual(states, ['away', 'back']);
  });

  test('of another kind shows that Redis is back', () => {
    const { trouble, lines } = create();
    trouble.failed('sync', away());
    trouble.failed('ip-check', new RedisReplyError('WRONGTYPE ip holds a list'));
    assert.deepEqual(
      lines.map(([, message]) => message),
      ['Redis is away; each run tries again', 'Redis is back', 'A run failed'],
    );
  });

  test('of the same kind is told once an hour, and that it is over once', () => {
    const { trouble, lines, pass } = create();
    for (let minute = 0; minute < 150; minute++) {
      trouble.failed('sync', new RedisReplyError('WRONGTYPE consumers holds a list'));
      pass(MINUTE);
    }
    trouble.succeeded('sync');
    trouble.succeeded('sync');
    const reason = 'WRONGTYPE consumers holds a list';
    assert.deepEqual(lines, [
      ['error', 'A run failed', { job: 'sync', reason }],
      ['error', 'Runs go on failing', { job: 'sync', forSeconds: 3_600, failedRuns: 61, reason }],
      ['error', 'Runs go on failing', { job: 'sync', forSeconds: 7_200, failedRuns: 121, reason }],
      ['info', 'Runs succeed again', { job: 'sync', forSeconds: 9_000, failedRuns: 150 }],
    ]);
  });

  test('of a new kind is told at once', () => {
    const { trouble, lines } = create();
    trouble.failed('sync', new IdentityError('another consumer'));
    trouble.failed('sync', new RedisReplyError('WRONGTYPE'));
    trouble.failed('ip-check', new RedisReplyError('WRONGTYPE'));
    assert.equal(lines.length, 3);
  });

  test('that nobody foresaw is logged with the error itself', () => {
    const { trouble, lines } = create();
    const error = new TypeError('x is undefined');
    trouble.failed('sync', error);
    assert.equal(lines[0]?.[2]?.error, error);
  });

  test('knows whether anything has ever worked', () => {
    const { trouble } = create();
    trouble.failed('sync', new IdentityError('another consumer'));
    assert.equal(trouble.hasWorked, false);
    trouble.succeeded('ip-check');
    assert.equal(trouble.hasWorked, true);
  });
});
