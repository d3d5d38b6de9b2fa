import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import type { Context } from 'aws-lambda';
import { createParts } from '../../../lib/app.ts';
import { loadConfig } from '../../../lib/config.ts';
import { ConfigError, EventError, RedisUnavailableError } from '../../../lib/errors.ts';
import type { Log } from '../../../lib/host.ts';
import { type Container, createHandler, type Handler, type Job } from '../../../lib/lambda/handler.ts';
import type { MetricValues } from '../../../lib/lambda/metrics.ts';
import { silentLog } from '../../support/log.ts';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: unknown;
}

/** The jobs under test do not touch them: a handler only hands them on. */
const PARTS = createParts({
  config: loadConfig({
    LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
    REDIS_URL: 'redis://127.0.0.1:1',
  }),
  log: silentLog,
  invoke: async () => assert.fail('not asked for'),
});

function createRecorder(openParts: Container['openParts'] = () => PARTS) {
  const lines: Line[] = [];
  const published: MetricValues[] = [];
  const at =
    (level: string) =>
    (message: unknown, ...[fields]: unknown[]) => {
      lines.push({ level, message: String(message), fields });
    };
  const container: Container = {
    openParts,
    writer: {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
    },
    publish: (values) => published.push(values),
  };
  return { container, lines, published };
}

function contextOf(remainingMs = () => 60_000): Context {
  return {
    awsRequestId: 'request-1',
    callbackWaitsForEmptyEventLoop: true,
    functionName: 'p2p-consumer-scheduler-test-sync',
    functionVersion: '$LATEST',
    invokedFunctionArn: 'arn:aws:lambda:us-east-1:1:function:sync',
    logGroupName: 'group',
    logStreamName: 'stream',
    memoryLimitInMB: '256',
    getRemainingTimeInMillis: remainingMs,
    done: () => undefined,
    fail: () => undefined,
    succeed: () => undefined,
  };
}

const jobOf = <Summary extends object>(run: Job<Summary>['run']): Job<Summary> => ({
  run,
  metrics: () => ({}),
});

async function rejection(handler: Handler<object>, context = contextOf()): Promise<Error> {
  const outcome = await handler({}, context).then(
    () => assert.fail('the handler should have thrown'),
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof Error);
  return outcome;
}

describe('a handler', () => {
  test('hands event and parts to the job and answers its summary', async () => {
    const { container, lines } = createRecorder();
    const handler = createHandler(
      jobOf(async (event, { requestId }, parts) => ({ same: parts === PARTS, event, requestId })),
      container,
    );

    const answer = await handler({ source: 'schedule' }, contextOf());

    assert.deepEqual(answer, { same: true, event: { source: 'schedule' }, requestId: 'request-1' });
    assert.deepEqual(lines, []);
  });

  test('says in every line which function and request it is of, and whether the container is new', async () => {
    let log: Log | undefined;
    const { container, lines } = createRecorder((given) => {
      log = given;
      return PARTS;
    });
    const handler = createHandler(
      jobOf(async () => {
        log?.info('done', { count: 1 });
        return {};
      }),
      container,
    );

    await handler({}, contextOf());
    await handler({}, { ...contextOf(), awsRequestId: 'request-2' });

    const run = { function_name: 'p2p-consumer-scheduler-test-sync', count: 1 };
    assert.deepEqual(
      lines.map(({ fields }) => fields),
      [
        { ...run, cold_start: true, function_request_id: 'request-1' },
        { ...run, cold_start: false, function_request_id: 'request-2' },
      ],
    );
  });

  test('takes two arguments at most: the runtime knows no callbacks any more', () => {
    const { container } = createRecorder();

    assert.ok(
      createHandler(
        jobOf(async () => ({})),
        container,
      ).length <= 2,
    );
  });

  test('tells the job less time than Lambda has, so that something is left for log and metrics', async () => {
    const { container } = createRecorder();
    const handler = createHandler(
      jobOf(async (_event, { remainingMs }) => ({ remainingMs: remainingMs() })),
      container,
    );

    assert.deepEqual(
      await handler(
        {},
        contextOf(() => 50_000),
      ),
      { remainingMs: 49_000 },
    );
    assert.deepEqual(
      await handler(
        {},
        contextOf(() => 400),
      ),
      { remainingMs: 0 },
    );
  });

  test('makes the parts once for all runs of its container', async () => {
    let opened = 0;
    const { container } = createRecorder(() => {
      opened += 1;
      return PARTS;
    });
    const handler = createHandler(
      jobOf(async () => ({})),
      container,
    );

    await handler({}, contextOf());
    await handler({}, contextOf());

    assert.equal(opened, 1);
  });

  test('does not make the parts while it is loaded', () => {
    const { container } = createRecorder(() => assert.fail('opened by loading'));

    createHandler(
      jobOf(async () => ({})),
      container,
    );
  });

  test('says in each run what is wrong with the configuration, and recovers', async () => {
    const faults = [['REDIS_URL is required'], ['REDIS_URL is required'], []];
    const { container, lines } = createRecorder(() => {
      const found = faults.shift() ?? [];
      if (found.length > 0) throw new ConfigError(found);
      return PARTS;
    });
    const handler = createHandler(
      jobOf(async () => ({ done: true })),
      container,
    );

    assert.match((await rejection(handler)).message, /REDIS_URL is required/);
    assert.match((await rejection(handler)).message, /REDIS_URL is required/);
    assert.deepEqual(await handler({}, contextOf()), { done: true });
    assert.equal(lines.length, 2, 'one line for each run that failed');
  });

  test('publishes what the job makes of its summary, and that the run did not fail', async () => {
    const { container, published } = createRecorder();
    const handler = createHandler(
      { run: async () => ({ alive: 3 }), metrics: ({ alive }) => ({ Alive: alive }) },
      container,
    );

    await handler({}, contextOf());

    assert.deepEqual(published, [{ Failed: 0, Alive: 3 }]);
  });
});

describe('a refused event', () => {
  test('is answered, logged and counted, not thrown: Lambda would repeat it', async () => {
    const { container, lines, published } = createRecorder();
    const handler = createHandler(
      jobOf(async () => {
        throw new EventError('"ip" is not an IP');
      }),
      container,
    );

    assert.deepEqual(await handler({ ip: 7 }, contextOf()), { refused: '"ip" is not an IP' });
    assert.deepEqual(
      lines.map(({ level, message }) => [level, message]),
      [['error', 'The event was refused']],
    );
    assert.deepEqual(published, [{ Failed: 1 }]);
  });
});

describe('an unexpected error', () => {
  const SECRET = 'token-9c1f2e';
  const failure = () =>
    new RedisUnavailableError('Redis did not answer', {
      mayHaveRun: true,
      cause: Object.assign(new Error(`ECONNRESET with ${SECRET}, command was: [["set","k","value-7"]]`), {
        command: { args: [SECRET] },
      }),
    });
  const open = (_log: Log, hide: (secrets: readonly string[]) => void) => {
    hide([SECRET]);
    return PARTS;
  };

  test('is thrown with its class and message, so that retries and the failure queue do their work', async () => {
    const { container, published } = createRecorder(open);
    const handler = createHandler(
      jobOf(() => Promise.reject(failure())),
      container,
    );

    const error = await rejection(handler);

    assert.equal(error.name, 'RedisUnavailableError');
    assert.equal(error.message, 'Redis did not answer');
    assert.deepEqual(published, [{ Failed: 1 }]);
  });

  test('is logged once, with its cause', async () => {
    const { container, lines } = createRecorder(open);
    const handler = createHandler(
      jobOf(() => Promise.reject(failure())),
      container,
    );

    await rejection(handler);

    assert.equal(lines.length, 1);
    assert.match(JSON.stringify(lines), /"cause":\{"name":"Error","message":"ECONNRESET with \*\*\*"/);
  });

  test('carries nothing that the runtime could print: no property, no cause, no secret, no command', async () => {
    const { container, lines } = createRecorder(open);
    const handler = createHandler(
      jobOf(() => Promise.reject(failure())),
      container,
    );

    const error = await rejection(handler);

    assert.deepEqual(
      Object.getOwnPropertyNames(error).sort(),
      ['message', 'name', 'stack'],
      'middy adds originalError and cause to an error thrown in its own chain',
    );
    const seen = JSON.stringify(lines) + error.stack + error.message;
    assert.ok(!seen.includes(SECRET));
    assert.ok(!seen.includes('value-7'));
  });
});

describe('the end of a run', () => {
  const almostOver = () => contextOf(() => 2_001);

  test('aborts the signal early enough for the job to hand back what it began', async () => {
    const { container } = createRecorder();
    const handler = createHandler(
      jobOf(async (_event, { signal }) => {
        await once(signal, 'abort');
        return { handedBack: true };
      }),
      container,
    );

    assert.deepEqual(await handler({}, almostOver()), { handedBack: true });
  });

  test('is an error for a job that does not heed the signal', async () => {
    const { container, lines, published } = createRecorder();
    const handler = createHandler(
      jobOf(() => new Promise<object>(() => undefined)),
      container,
    );

    // Keeps the process alive: nothing else here is waited for, as in a job that hangs.
    const alive = setInterval(() => undefined, 60_000);
    const error = await rejection(handler, almostOver()).finally(() => clearInterval(alive));

    assert.match(error.message, /did not end in time/);
    assert.equal(lines.length, 1);
    assert.deepEqual(published, [{ Failed: 1 }]);
  });
});
