import type { Invoke } from '../host.ts';

/** The SDK waits for ever by default; a caller that waits that long loses its own time instead. */
const TIMEOUT_MS = 10_000;

/**
 * Starts Lambda functions asynchronously, by the official SDK. The SDK is loaded by the first call (it is the largest
 * thing here, and a quiet run needs none of it) and takes region, credentials and `AWS_ENDPOINT_URL_LAMBDA` from the
 * environment, which is how the local stack leads it to its own endpoint.
 *
 * A reply that was lost is asked for again, so a function may be started twice.
 */
export function createInvoke(): Invoke {
  let loading: ReturnType<typeof load> | undefined;
  return async (functionName, payload) => {
    loading ??= load();
    const { client, InvokeCommand } = await loading;
    const { StatusCode } = await client.send(
      new InvokeCommand({
        FunctionName: functionName,
        InvocationType: 'Event',
        Payload: JSON.stringify(payload),
      }),
      { abortSignal: AbortSignal.timeout(TIMEOUT_MS) },
    );
    if (StatusCode !== 202) {
      throw new Error(
        `Lambda did not accept the invocation of ${functionName}: status ${StatusCode ?? 'none'}`,
      );
    }
  };
}

async function load() {
  const { LambdaClient, InvokeCommand } = await import('@aws-sdk/client-lambda');
  return { client: new LambdaClient({}), InvokeCommand };
}
