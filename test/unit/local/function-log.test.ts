import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLogLine } from '../../../local/function-log.ts';

test('a warning is short: its function, its message, the reason in one line', () => {
  const line = JSON.stringify({
    level: 'ERROR',
    message: 'The run failed',
    function_name: 'p2p-consumer-scheduler-local-sync',
    error: { name: 'RedisUnavailableError', message: 'Redis is\ngone', frames: ['at x'] },
  });
  assert.deepEqual(readLogLine(line), {
    kind: 'log',
    level: 'error',
    functionName: 'sync',
    message: 'The run failed: Redis is gone',
  });
});

test('what is no warning is not told: information, metrics, text', () => {
  for (const line of ['{"level":"INFO","message":"x"}', '{"_aws":{}}', 'plain text', '', 'null', '[1]']) {
    assert.equal(readLogLine(line), undefined, line);
  }
});
