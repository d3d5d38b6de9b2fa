import type { AppParts } from '../lib/app.ts';
import type { Depth } from './consumers.ts';
import { type Report, readReport } from './report.ts';

/** A report is as good as new for so long: however many ask, Redis is asked once in this time. */
const FRESH_MS = 2_000;

/**
 * Answers the present report, to any number of askers. Those who ask while it is being read get the same one, and those who
 * ask within two seconds of its end, too.
 */
export function createReporter(parts: AppParts, depth: Depth): () => Promise<Report> {
  let reading: Promise<Report> | undefined;
  let readMs = Number.NEGATIVE_INFINITY;
  let latest: Report | undefined;
  return () => {
    if (reading !== undefined) return reading;
    if (latest !== undefined && parts.host.monotonicMs() - readMs < FRESH_MS) return Promise.resolve(latest);
    reading = readReport(parts, depth)
      .then((report) => {
        latest = report;
        readMs = parts.host.monotonicMs();
        return report;
      })
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };
}
