import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JobName } from '../../../host/run.ts';
import { createTrouble } from '../../../host/trouble.ts';
import { IdentityError, RedisReplyError, RedisUnavailableError } from '../../../lib/errors.ts';
import type { Log, LogFields } from '../../../lib/host.ts';
import { MINUTE } from '../../support/clock.ts';

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
    failed: (job: JobName, error: unknown) => trouble.onResult({ kind: 'failed', job, error }),
    succeeded: (job: JobName) => trouble.onResult({ kind: 'done', job }),
    lines,
    states,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe('trouble', () => {
  test('with Redis for an hour is one line when it goes and one when it is back', () => {
    const { failed, succeeded, lines, states, pass } = create();
    succeeded('ip-check');
    for (let minute = 0; minute < 60; minute++) {
      failed('ip-check', away());
      if (minute % 5 === 0) failed('sync', away());
      pass(MINUTE);
    }
    succeeded('sync');
    succeeded('ip-check');
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

  test('with a Redis that refuses every command is the same trouble, and each cause is said once', () => {
    const { failed, succeeded, lines } = create();
    const causes = [
      away(),
      new RedisUnavailableError('LOADING Redis is loading the dataset in memory', { mayHaveRun: false }),
      new RedisUnavailableError('NOAUTH Authentication required.', { mayHaveRun: false }),
    ];
    for (const job of ['ip-check', 'sync', 'ip-check'] as const) {
      for (const cause of causes) failed(job, cause);
    }
    succeeded('ip-check');
    assert.deepEqual(
      lines.map(([, message, fields]) => [message, fields?.reason]),
      [
        ['Redis is away; each run tries again', 'Redis cannot be reached.'],
        ['Redis is still away', 'LOADING Redis is loading the dataset in memory'],
        ['Redis is still away', 'NOAUTH Authentication required.'],
        ['Redis is back', undefined],
      ],
    );
  });

  test('of another kind shows that Redis is back', () => {
    const { failed, lines } = create();
    failed('sync', away());
    failed('ip-check', new RedisReplyError('WRONGTYPE ip holds a list'));
    assert.deepEqual(
      lines.map(([, message]) => message),
      ['Redis is away; each run tries again', 'Redis is back', 'A run failed'],
    );
  });

  test('with our own code says nothing about Redis', () => {
    const { failed, lines } = create();
    failed('sync', away());
    failed('ip-check', new TypeError('x is undefined'));
    assert.deepEqual(
      lines.map(([, message]) => message),
      ['Redis is away; each run tries again', 'A run failed'],
    );
  });

  test('of the same kind is logged once an hour, and its end once', () => {
    const { failed, succeeded, lines, pass } = create();
    for (let minute = 0; minute < 150; minute++) {
      failed('sync', new RedisReplyError('WRONGTYPE consumers holds a list'));
      pass(MINUTE);
    }
    succeeded('sync');
    succeeded('sync');
    const reason = 'WRONGTYPE consumers holds a list. `p2p doctor` says more.';
    assert.deepEqual(lines, [
      ['error', 'A run failed', { job: 'sync', reason }],
      ['error', 'Runs go on failing', { job: 'sync', forSeconds: 3_600, failedRuns: 61, reason }],
      ['error', 'Runs go on failing', { job: 'sync', forSeconds: 7_200, failedRuns: 121, reason }],
      ['info', 'Runs succeed again', { job: 'sync', forSeconds: 9_000, failedRuns: 150 }],
    ]);
  });

  test('whose reason is another each time stays a few lines', () => {
    const { failed, lines } = create();
    for (let run = 0; run < 1_000; run++) {
      failed('sync', new RedisReplyError(`ERR ${run} is out of range`));
      failed('ip-check', new RedisUnavailableError(`No reply in ${run} ms.`, { mayHaveRun: true }));
    }
    assert.ok(lines.length <= 2 * 12, `${lines.length} lines`);
    assert.equal(lines.at(-1)?.[2]?.note, 'more of this is left out for an hour');
  });

  test('of a new kind is logged at once', () => {
    const { failed, lines } = create();
    failed('sync', new IdentityError('another consumer'));
    failed('sync', new RedisReplyError('WRONGTYPE'));
    failed('ip-check', new RedisReplyError('WRONGTYPE'));
    assert.equal(lines.length, 3);
  });

  test('that nobody foresaw is logged with the error itself', () => {
    const { failed, lines } = create();
    const error = new TypeError('x is undefined');
    failed('sync', error);
    assert.equal(lines[0]?.[2]?.error, error);
  });

  test('knows whether anything has ever worked', () => {
    const { trouble, failed, succeeded } = create();
    failed('sync', new IdentityError('another consumer'));
    assert.equal(trouble.hasWorked, false);
    succeeded('ip-check');
    assert.equal(trouble.hasWorked, true);
  });
});
