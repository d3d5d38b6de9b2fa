import { setTimeout as delay } from 'node:timers/promises';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { type AppParts, createParts } from '../app.ts';
import { loadConfig, readObservability } from '../config.ts';
import { EventError } from '../errors.ts';
import type { Invocation, Log, LogFields } from '../host.ts';
import { createLineWriter } from '../line-writer.ts';
import { createLog, createScrub, describeError, type LineWriter, secretsOf, withoutDetails } from '../log.ts';
import { createInvoke } from './invoke.ts';
import { createPublishMetrics, type MetricValues, type PublishMetrics } from './metrics.ts';

/** What a Lambda function answers: the job's summary, or why its event was refused. */
export type Answer<Summary> = Summary | { readonly refused: string };

export type Handler<Summary> = (event: unknown, context: Context) => Promise<Answer<Summary>>;

/** One job as a Lambda function. */
export interface Job<Summary> {
  run(event: unknown, invocation: Invocation, parts: AppParts): Promise<Summary>;
  /** What of a run's summary is a metric. */
  metrics(summary: Summary): MetricValues;
}

/** What the handlers of a container need; tests bring their own. */
export interface Container {
  /** Called by the first run, and again by each next one until it has succeeded. Secrets that it learns go to `hide`. */
  openParts(log: Log, hide: (secrets: readonly string[]) => void): AppParts;
  readonly writer: LineWriter;
  readonly publish: PublishMetrics;
}

/** A run's signal aborts this long before Lambda would end it, */
const ABORT_BEFORE_END_MS = 2_000;
/** and the job then has this long to finish or hand back what it began; the rest is for logs and metrics. */
const GRACE_MS = 1_000;

/**
 * Wraps a job for Lambda. Its parts are made once a container, by the first run: a faulty configuration is then a clear
 * error of each run, not a crash while loading.
 *
 * An event that matches no schema is *refused*: logged, counted and answered as `{ refused }`. The run counts as done,
 * because Lambda would repeat a failed one, and repeating cannot help. Every other error is logged once and thrown, so
 * that Lambda's retries and the failure queue do their work.
 */
export function createHandler<Summary extends object>(
  job: Job<Summary>,
  container: Container = createContainer(),
): Handler<Summary> {
  const { openParts, writer, publish } = container;
  const secrets = new Set<string>();
  const scrub = createScrub(secrets);
  /** What each line of the run says of it. */
  let run: LogFields | undefined;
  const log = createLog(writer, scrub, () => run ?? {});
  let parts: AppParts | undefined;

  return middy<unknown, Answer<Summary>>(
    async (event: unknown, context: Context, { signal }: { signal: AbortSignal }) => {
      parts ??= openParts(log, (found) => {
        for (const secret of found) secrets.add(secret);
      });
      const summary = await job.run(event, invocationOf(context, signal), parts);
      publish({ Failed: 0, ...job.metrics(summary) });
      return summary;
    },
    {
      timeoutEarlyInMillis: ABORT_BEFORE_END_MS,
      timeoutEarlyResponse: async () => {
        await delay(GRACE_MS, undefined, { ref: false });
        throw new Error('The run did not end in time. What it had begun is taken up by a later one.');
      },
    },
  )
    .before(({ context }) => {
      run = {
        cold_start: run === undefined,
        function_name: context.functionName,
        function_request_id: context.awsRequestId,
      };
    })
    .onError((request) => {
      publish({ Failed: 1 });
      if (request.error instanceof EventError) {
        log.error('The event was refused', { error: request.error });
        return { refused: describeError(request.error, scrub).message };
      }
      log.error('The run failed', { error: request.error });
      // Thrown by middy as it is. To throw it here would have middy attach the original to it.
      request.error = withoutDetails(request.error, scrub);
      return undefined;
    });
}

function createContainer(): Container {
  const { level, metrics } = readObservability();
  const write = (line: string) => process.stdout.write(line);
  return {
    openParts: (log, hide) => {
      const config = loadConfig();
      hide(secretsOf(config));
      return createParts({ config, log, invoke: createInvoke() });
    },
    writer: createLineWriter({ write, level, format: 'json' }),
    publish: metrics === undefined ? () => undefined : createPublishMetrics({ write, ...metrics }),
  };
}

function invocationOf(context: Context, signal: AbortSignal): Invocation {
  return {
    requestId: context.awsRequestId,
    signal,
    remainingMs: () => Math.max(0, context.getRemainingTimeInMillis() - (ABORT_BEFORE_END_MS - GRACE_MS)),
  };
}
