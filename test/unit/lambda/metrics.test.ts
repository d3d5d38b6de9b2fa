import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { createPublishMetrics, METRIC_UNITS } from '../../../lib/lambda/metrics.ts';

/** Powertools' metrics that keep what they would write. */
class Recorder extends Metrics {
  readonly written: ReturnType<Metrics['serializeMetrics']>[] = [];

  override publishStoredMetrics(): this {
    this.written.push(this.serializeMetrics());
    this.clearMetrics();
    return this;
  }
}

const NAMES = Object.keys(METRIC_UNITS);

test('there are at most ten metrics: CloudWatch bills each name', () => {
  assert.ok(NAMES.length <= 10);
});

test('the only dimension is the service', () => {
  const metrics = new Recorder({ namespace: 'P2P', serviceName: 'scheduler' });

  createPublishMetrics(metrics)({ Failed: 0, Alive: 3 });

  const [line] = metrics.written;
  assert.deepEqual(line?._aws.CloudWatchMetrics[0]?.Dimensions, [['service']]);
  assert.deepEqual([line?.service, line?.Failed, line?.Alive], ['scheduler', 0, 3]);
});

test('a value that is not known is left out', () => {
  const metrics = new Recorder({ namespace: 'P2P', serviceName: 'scheduler' });

  createPublishMetrics(metrics)({ Failed: 1, DeliveriesDue: undefined, Alive: Number.NaN });

  assert.deepEqual(
    metrics.written[0]?._aws.CloudWatchMetrics[0]?.Metrics.map(({ Name }) => Name),
    ['Failed'],
  );
});

test('a duration is in milliseconds, everything else is a count', () => {
  const metrics = new Recorder({ namespace: 'P2P', serviceName: 'scheduler' });

  createPublishMetrics(metrics)({ ToldAfter: 840, IpChanged: 1 });

  assert.deepEqual(metrics.written[0]?._aws.CloudWatchMetrics[0]?.Metrics, [
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
