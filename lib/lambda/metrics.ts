import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';

/**
 * Every custom metric there is. CloudWatch bills each name and dimension set, ten are free, and so there are at most
 * ten, with the one dimension `service`. Whatever else is worth knowing is a field of a log line.
 */
export const METRIC_NAMES = [
  'Failed',
  'Probes',
  'Alive',
  'Dead',
  'IpChanged',
  'IpUnknown',
  'Delivered',
  'DeliveriesFailed',
  'DeliveriesDue',
] as const;

export type MetricName = (typeof METRIC_NAMES)[number];

export type MetricValues = Readonly<Partial<Record<MetricName, number | undefined>>>;

/** Writes one run's metrics as one line of CloudWatch's embedded metric format. */
export type PublishMetrics = (values: MetricValues) => void;

/** Publishes by Powertools, under the `POWERTOOLS_METRICS_NAMESPACE`. `POWERTOOLS_METRICS_DISABLED` silences it. */
export function createPublishMetrics(metrics = new Metrics()): PublishMetrics {
  return (values) => {
    for (const name of METRIC_NAMES) {
      const value = values[name];
      if (value !== undefined && Number.isFinite(value)) metrics.addMetric(name, MetricUnit.Count, value);
    }
    metrics.publishStoredMetrics();
  };
}
