/**
 * A container: the handlers of `functions/` as they are deployed, each invocation a message. Killed by its parent at any
 * moment, and ends with it.
 */
import type { Context } from 'aws-lambda';
import { handler as checkIp } from '../../functions/ip-check.ts';
import { handler as notifyProducers } from '../../functions/producer-notify.ts';
import type { FunctionName, WorkerMessage, WorkerOrder } from './containers.ts';

const handlers: Readonly<Record<FunctionName, (event: unknown, context: Context) => Promise<unknown>>> = {
  'ip-check': checkIp,
  'producer-notify': notifyProducers,
};

process.on('disconnect', () => process.exit(0));
// A Ctrl-C is the parent's to deal with.
process.on('SIGINT', () => {});
process.on('message', async ({ name, event, requestId, timeLimitMs }: WorkerOrder) => {
  const endsAt = performance.now() + timeLimitMs;
  const context: Context = {
    callbackWaitsForEmptyEventLoop: false,
    functionName: name,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:eu-west-1:000000000000:function:${name}`,
    memoryLimitInMB: '256',
    awsRequestId: requestId,
    logGroupName: name,
    logStreamName: name,
    getRemainingTimeInMillis: () => Math.max(0, endsAt - performance.now()),
    done: () => {},
    fail: () => {},
    succeed: () => {},
  };
  report(
    await handlers[name](event, context).then(
      (answer): WorkerMessage => ({ kind: 'answered', answer }),
      (error: unknown): WorkerMessage => ({ kind: 'threw', error: String(error) }),
    ),
  );
});
report({ kind: 'ready' });

function report(message: WorkerMessage): void {
  process.send?.(message);
}
