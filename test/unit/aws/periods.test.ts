import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { afterEach, describe, test } from 'node:test';
import { describeVariable } from '../../../lib/variables.ts';

const require = createRequire(import.meta.url);
const periods: () => Readonly<Record<string, number>> = require('../../../aws/periods.cjs');
const before = { ...process.env };

afterEach(() => {
  process.env = { ...before };
});

function periodsOf(env: Readonly<Record<string, string>>) {
  process.env = env;
  return periods();
}

describe('the periods of the alarms', () => {
  test('by default notice a missing check after five minutes and missing rounds after fifteen', () => {
    assert.deepEqual(periodsOf({}), {
      sync: 300,
      syncPeriods: 3,
      ipCheck: 300,
      ipCheckPeriods: 1,
      ipUnknown: 900,
      redundancy: 3_600,
    });
  });

  test('follow slower schedules, with room for one that fires a little late', () => {
    assert.deepEqual(periodsOf({ SYNC_INTERVAL_MS: '86400000', IP_CHECK_INTERVAL_MS: '3600000' }), {
      sync: 86_400,
      syncPeriods: 3,
      ipCheck: 3_600,
      ipCheckPeriods: 3,
      ipUnknown: 10_800,
      redundancy: 7_200,
    });
  });

  test('start from the defaults of the configuration', () => {
    const names = ['SYNC_INTERVAL_MS', 'IP_CHECK_INTERVAL_MS'] as const;
    const defaults = names.map((name) => [name, describeVariable(name).fallback]);
    assert.deepEqual(periodsOf({}), periodsOf(Object.fromEntries(defaults)));
  });

  test('are whole minutes, as CloudWatch requires', () => {
    assert.equal(periodsOf({ SYNC_INTERVAL_MS: '90001' }).sync, 120);
    assert.equal(periodsOf({ SYNC_INTERVAL_MS: '1000' }).sync, 60);
  });

  test('are the default ones where the configuration is wrong: the functions will say so', () => {
    assert.equal(periodsOf({ SYNC_INTERVAL_MS: 'often' }).sync, 300);
  });
});
