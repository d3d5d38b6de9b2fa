import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { METRIC_NAMES, metricsText } from '../../../report/metrics.ts';
import { readReport } from '../../../report/report.ts';
import { needsTool } from '../../support/needs-tool.ts';
import { redisForSuite } from '../../support/redis.ts';
import { HOSTILE, REPORT_STATES, reportParts, seedState } from '../../support/report-states.ts';

describe('the metrics', () => {
  const testRedis = redisForSuite();
  const textOf = async (state: (typeof REPORT_STATES)[number]) => {
    await testRedis().command('FLUSHALL');
    await seedState(testRedis().redis, state, { consumers: 100 });
    return metricsText(await readReport(reportParts(testRedis().redis), 'page'));
  };

  test('have each figure, and none that is not known', async () => {
    const well = await textOf('well');
    for (const name of METRIC_NAMES) assert.match(well, new RegExp(`^${name}[{ ]`, 'm'));
    assert.match(well, /^p2p_consumers\{state="alive"\} \d+$/m);
    assert.match(well, /^p2p_telling_duration_seconds 1\.264$/m);
    const empty = await textOf('empty');
    assert.doesNotMatch(empty, /p2p_check_timestamp_seconds|NaN|undefined/);
    assert.match(empty, /^p2p_reason\{code="nothing-has-run"\} 1$/m);
  });

  test('are all there is to know where Redis cannot be asked: that it cannot', () => {
    const text = metricsText({ verdict: 'unknown', reasons: [], headline: '' });
    assert.match(text, /^p2p_redis_up 0$/m);
    assert.match(text, /^p2p_verdict\{verdict="unknown"\} 1$/m);
  });

  test('have no peer for a label, whatever peers are called', async () => {
    const text = await textOf('hostile');
    assert.ok(!text.includes(HOSTILE));
    assert.doesNotMatch(text, /198\.51\.100|0000b004/);
  });

  test('are as Prometheus wants them', needsTool('promtool', 'prometheus'), async () => {
    for (const state of REPORT_STATES) {
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
        input: await textOf(state),
        encoding: 'utf8',
      });
      assert.equal(status, 0, `${state}: ${stdout}${stderr}`);
      assert.equal(stderr, '', state);
    }
  });
});
