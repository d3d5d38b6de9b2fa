import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readSettings } from '../../../host/settings.ts';
import { ConfigError } from '../../../lib/errors.ts';

const REQUIRED = {
  LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
  REDIS_URL: 'redis://127.0.0.1:6379',
};

describe('the settings of a host', () => {
  test('are the configuration of the functions, with names of its own for them', () => {
    const { config, log } = readSettings({ ...REQUIRED, SYNC_FUNCTION: 'p2p-prod-sync' });
    assert.equal(config.sync.functionName, 'sync');
    assert.equal(config.notify.functionName, 'producer-notify');
    assert.deepEqual(log, { level: 'INFO', format: 'text' });
  });

  test('take the level of the log from either variable, in any case', () => {
    assert.equal(readSettings({ ...REQUIRED, POWERTOOLS_LOG_LEVEL: 'WARN' }).log.level, 'WARN');
    const both = { ...REQUIRED, POWERTOOLS_LOG_LEVEL: 'WARN', LOG_LEVEL: 'debug', LOG_FORMAT: 'json' };
    assert.deepEqual(readSettings(both).log, { level: 'DEBUG', format: 'json' });
  });

  test('are refused with every fault at once', () => {
    assert.throws(
      () => readSettings({ REDIS_URL: 'nonsense', LOG_LEVEL: 'loud', LOG_FORMAT: 'xml' }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.deepEqual(
          error.faults.map((fault) => fault.split(' ')[0]),
          ['LOCAL_UUID', 'REDIS_URL', 'LOG_LEVEL', 'LOG_FORMAT'],
        );
        return true;
      },
    );
  });
});
