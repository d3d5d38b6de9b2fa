/**
 * Every custom metric, with its unit. CloudWatch bills each name and dimension set and ten are free: so there are at
 * most ten names, with the one dimension `service` (the service's name with its stage). Everything else worth knowing
 * is a field of a log line.
 */
export const METRIC_UNITS = {
  Failed: 'Count',
  Alive: 'Count',
  Suspect: 'Count',
  Dead: 'Count',
  RoundsCut: 'Count',
  IpChanged: 'Count',
  IpUnknown: 'Count',
  RedundancyLost: 'Count',
  DeliveriesDue: 'Count',
  ToldAfter: 'Milliseconds',
} as const;

export type MetricName = keyof typeof METRIC_UNITS;

export type MetricValues = Readonly<Partial<Record<MetricName, number | undefined>>>;

/** Writes one run's metrics as one line of CloudWatch's embedded metric format. */
export type PublishMetrics = (values: MetricValues) => void;

/**
 * Publishes in the embedded metric format
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
 * A value that is not known is left out.
 */
export function createPublishMetrics({
  write,
  namespace,
  service,
  nowMs = Date.now,
}: {
  /** Gets each line, with its end. */
  readonly write: (line: string) => void;
  readonly namespace: string;
  readonly service: string;
  readonly nowMs?: () => number;
}): PublishMetrics {
  return (values) => {
    const known = Object.entries(values).filter(([, value]) => Number.isFinite(value));
    const metrics = Object.entries(METRIC_UNITS)
      .filter(([name]) => known.some(([each]) => each === name))
      .map(([name, unit]) => ({ Name: name, Unit: unit }));
    const directive = { Namespace: namespace, Dimensions: [['service']], Metrics: metrics };
    const line = {
      _aws: { Timestamp: nowMs(), CloudWatchMetrics: [directive] },
      service,
      ...Object.fromEntries(known),
    };
    write(`${JSON.stringify(line)}\n`);
  };
}
