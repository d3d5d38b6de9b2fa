import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';

/**
 * Every custom metric, with its unit. CloudWatch bills each name and dimension set and ten are free: so there are at
 * most ten names, with the one dimension `service` (the service's name with its stage). Everything else worth knowing
 * is a field of a log line.
 */
export const METRIC_UNITS = {
  Failed: MetricUnit.Count,
  Alive: MetricUnit.Count,
  Suspect: MetricUnit.Count,
  Dead: MetricUnit.Count,
  RoundsCut: MetricUnit.Count,
  IpChanged: MetricUnit.Count,
  IpUnknown: MetricUnit.Count,
  RedundancyLost: MetricUnit.Count,
  DeliveriesDue: MetricUnit.Count,
  ToldAfter: MetricUnit.Milliseconds,
} as const;

export type MetricName = keyof typeof METRIC_UNITS;

export type MetricValues = Readonly<Partial<Record<MetricName, number | undefined>>>;

/** Writes one run's metrics as one line of CloudWatch's embedded metric format. */
export type PublishMetrics = (values: MetricValues) => void;

/** Publishes by Powertools, under the `POWERTOOLS_METRICS_NAMESPACE`. `POWERTOOLS_METRICS_DISABLED` silences it. */
export function createPublishMetrics(metrics = new Metrics()): PublishMetrics {
  return (values) => {
    let name: MetricName;
    for (name in METRIC_UNITS) {
      const value = values[name];
      if (value !== undefined && Number.isFinite(value)) metrics.addMetric(name, METRIC_UNITS[name], value);
    }
    metrics.publishStoredMetrics();
  };
}
