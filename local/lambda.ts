/** What a function answered, as the Lambda endpoint passes it on. */
export interface LambdaAnswer {
  readonly status: number;
  /** Whether the handler threw. */
  readonly failed: boolean;
  /** The JSON that it returned, or the error's. */
  readonly payload: unknown;
}

export type FunctionKey = 'sync' | 'ip-check' | 'producer-notify';

/** Path of Lambda's Invoke API for a function of the stage `local`. */
function invocationPath(name: FunctionKey): string {
  return `/2015-03-31/functions/p2p-consumer-scheduler-local-${name}/invocations`;
}

/**
 * Invokes a function of the local stack, and waits for its answer. Rejects if the endpoint cannot be reached or `signal` aborts.
 */
export async function invokeLocal(
  port: number,
  name: FunctionKey,
  event: unknown = {},
  signal?: AbortSignal,
): Promise<LambdaAnswer> {
  const response = await fetch(`http://127.0.0.1:${port}${invocationPath(name)}`, {
    method: 'POST',
    headers: { 'x-amz-invocation-type': 'RequestResponse', 'content-type': 'application/json' },
    body: JSON.stringify(event),
    ...(signal && { signal }),
  });
  const text = await response.text();
  return {
    status: response.status,
    failed: response.headers.has('x-amz-function-error'),
    payload: text === '' ? undefined : JSON.parse(text),
  };
}
