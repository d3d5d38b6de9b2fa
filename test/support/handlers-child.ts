import { writeSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import type { Context } from 'aws-lambda';
import type { Handler } from '../../lib/lambda/handler.ts';

/**
 * Runs the real handlers under one environment after another, as Lambda's containers would, each in a container of its own.
 * Reads `Scenario[]` as JSON from stdin and writes `Ended[]` to descriptor 3; all else that comes out is the functions'.
 */
export interface Scenario {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly runs: readonly { readonly functionName: string; readonly event: unknown }[];
  /** What Lambda says is left at the start. */
  readonly remainingMs: number;
}

/** What came of one run: the answer, or the name of what was thrown; and everything that is to be seen of either. */
export interface Ended {
  readonly scenario: string;
  readonly functionName: string;
  readonly error?: string;
  readonly seen: string;
}

let containers = 0;

async function run(
  { name, remainingMs }: Scenario,
  { functionName, event }: Scenario['runs'][number],
): Promise<Ended> {
  containers += 1;
  const module: { handler: Handler<object> } = await import(
    `../../functions/${functionName}.ts?container=${containers}`
  );
  const endsMs = performance.now() + remainingMs;
  const context: Context = {
    awsRequestId: `request-${containers}`,
    callbackWaitsForEmptyEventLoop: true,
    functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: 'arn',
    logGroupName: 'group',
    logStreamName: 'stream',
    memoryLimitInMB: '256',
    getRemainingTimeInMillis: () => Math.max(0, endsMs - performance.now()),
    done: () => undefined,
    fail: () => undefined,
    succeed: () => undefined,
  };
  const ended = { scenario: name, functionName };
  try {
    return { ...ended, seen: JSON.stringify(await module.handler(event, context)) };
  } catch (error) {
    const thrown = error instanceof Error ? error.name : 'unknown';
    return { ...ended, error: thrown, seen: inspect(error, { depth: 20, showHidden: true }) };
  }
}

const scenarios: Scenario[] = JSON.parse(await text(process.stdin));
const ended: Ended[] = [];
const before = { ...process.env };
for (const scenario of scenarios) {
  process.env = { ...before, ...scenario.env };
  ended.push(...(await Promise.all(scenario.runs.map((each) => run(scenario, each)))));
}
writeSync(3, JSON.stringify(ended));
// What is still in the pipe gets out; sockets that a run left open are not waited for.
process.stdout.end(() => process.exit(0));
