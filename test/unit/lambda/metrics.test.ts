import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createPublishMetrics, METRIC_UNITS, type MetricValues } from '../../../lib/lambda/metrics.ts';

/** What is written for the values. */
function written(values: MetricValues) {
  const lines: string[] = [];
  const write = (line: string) => {
    lines.push(line);
  };
  createPublishMetrics({ write, namespace: 'P2P', service: 'scheduler', nowMs: () => 1_764_000_000_000 })(
    values,
  );
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^[^\n]+\n$/);
  return JSON.parse(lines[0] ?? '');
}

const NAMES = Object.keys(METRIC_UNITS);

test('there are at most ten metrics: CloudWatch bills each name', () => {
  assert.ok(NAMES.length <= 10);
});

test('the only dimension is the service', () => {
  assert.deepEqual(written({ Failed: 0, Alive: 3 }), {
    _aws: {
      Timestamp: 1_764_000_000_000,
      CloudWatchMetrics: [
        {
          Namespace: 'P2P',
          Dimensions: [['service']],
          Metrics: [
            { Name: 'Failed', Unit: 'Count' },
            { Name: 'Alive', Unit: 'Count' },
          ],
        },
      ],
    },
    service: 'scheduler',
    Failed: 0,
    Alive: 3,
  });
});

test('a value that is not known is left out', () => {
  const { _aws, ...values } = written({ Failed: 1, DeliveriesDue: undefined, Alive: Number.NaN });

  assert.deepEqual(_aws.CloudWatchMetrics[0].Metrics, [{ Name: 'Failed', Unit: 'Count' }]);
  assert.deepEqual(values, { service: 'scheduler', Failed: 1 });
});

test('a duration is in milliseconds, everything else is a count', () => {
  assert.deepEqual(written({ ToldAfter: 840, IpChanged: 1 })._aws.CloudWatchMetrics[0].Metrics, [
    { Name: 'IpChanged', Unit: 'Count' },
    { Name: 'ToldAfter', Unit: 'Milliseconds' },
  ]);
});

test('each metric is in the documentation, where alarms are set up from', async () => {
  const docs = await readFile(new URL('../../../docs/DEPLOYING.md', import.meta.url), 'utf8');

  assert.deepEqual(
    NAMES.filter((name) => !docs.includes(`\`${name}\``)),
    [],
  );
});
