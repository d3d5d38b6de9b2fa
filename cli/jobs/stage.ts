import { visible } from '../../report/text/escape.ts';
import type { Context } from '../context.ts';
import { environmentOf } from '../context.ts';
import { StageError, UsageError } from '../errors.ts';

/** As in serverless.yml. */
const SERVICE = 'p2p-consumer-scheduler';
const DEFAULT_REGION = 'us-east-1';
const CONNECT_MS = 5_000;

export type FunctionKey = 'sync' | 'ip-check' | 'producer-notify';

/**
 * Runs the deployed function of the stage that `--stage` names, waits for it, and answers its summary, which is whatever
 * was deployed. It is asked once: a reply that is lost is not asked for again.
 *
 * @throws UsageError for a stage or region that can be none; StageError for everything else.
 */
export async function runDeployed(
  context: Context,
  stage: string,
  job: FunctionKey,
  payload: unknown,
): Promise<unknown> {
  if (!/^[A-Za-z0-9-]{1,40}$/.test(stage))
    throw new UsageError('--stage must be letters, digits and hyphens.');
  const { env } = environmentOf(context);
  const region = context.args.text('region') ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION || DEFAULT_REGION);
  if (!/^[a-z0-9-]{1,30}$/.test(region)) throw new UsageError('--region must be a region like eu-central-1.');
  const name = `${SERVICE}-${stage}-${job}`;
  context.note(`Running ${name} in ${region} …`);

  const { LambdaClient, InvokeCommand } = await loadSdk();
  const client = new LambdaClient({
    region,
    maxAttempts: 1,
    requestHandler: { connectionTimeout: CONNECT_MS },
  });
  const interrupts = context.terminal.watchInterrupts();
  try {
    const answer = await client.send(
      new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(payload) }),
      { abortSignal: interrupts.signal },
    );
    return readAnswer(name, answer.FunctionError, answer.Payload);
  } catch (error) {
    if (error instanceof StageError) throw error;
    if (interrupts.signal.aborted) {
      throw new StageError(`${name} was started and goes on; nobody waits for it any more.`);
    }
    throw new StageError(`${name} in ${region} could not be run. ${awsReason(error)}`, { cause: error });
  } finally {
    interrupts.end();
    client.destroy();
  }
}

async function loadSdk() {
  try {
    return await import('@aws-sdk/client-lambda');
  } catch (error) {
    throw new StageError(
      'The AWS SDK (@aws-sdk/client-lambda) is not here. The bundle does not carry it: use a checkout of the project, ' +
        'after npm ci, or install it beside the bundle.',
      { cause: error },
    );
  }
}

/** The summary; or what the function threw, or refused, as an error. */
function readAnswer(
  name: string,
  functionError: string | undefined,
  payload: Uint8Array | undefined,
): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(payload ?? new Uint8Array()));
  } catch {
    throw new StageError(`${name} answered something that is no JSON.`);
  }
  if (functionError !== undefined) {
    const what = [fieldOf(answer, 'errorType'), fieldOf(answer, 'errorMessage')].filter(
      (text) => text !== undefined,
    );
    throw new StageError(`${name} failed. ${what.join(': ')}`);
  }
  const refused = fieldOf(answer, 'refused');
  if (refused !== undefined) throw new StageError(`${name} refused the event. ${refused}`);
  return answer;
}

function fieldOf(answer: unknown, name: string): string | undefined {
  const fields = typeof answer === 'object' && answer !== null ? Object.entries(answer) : [];
  const value = fields.find(([field]) => field === name)?.[1];
  return typeof value === 'string' ? visible(value, 500) : undefined;
}

/** What AWS says, and what to do about it. */
function awsReason(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const said = visible(error.message, 300);
  switch (error.name) {
    case 'ResourceNotFoundException':
      return `There is no such function: check --stage and --region, or deploy it. (${said})`;
    case 'CredentialsProviderError':
      return 'There are no AWS credentials: aws sso login, AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret.';
    case 'AccessDeniedException':
    case 'ExpiredTokenException':
    case 'UnrecognizedClientException':
      return `AWS refused the credentials for it: lambda:InvokeFunction is needed. (${said})`;
    default:
      return `${error.name}: ${said}`;
  }
}
