import type { IncomingMessage } from 'node:http';

/** One call of AWS's API. */
export interface ApiCall {
  /** The access key that signed it. */
  readonly by: string;
  /** As a policy names it: `service:Operation`. */
  readonly action: string;
  readonly region: string;
}

/** What S3's and Lambda's REST requests are called in a policy: method and path with query. First match wins. */
const REST: readonly (readonly [RegExp, string])[] = [
  [/^s3 PUT \/[^/?]+\/?\?policy/, 's3:PutBucketPolicy'],
  [/^s3 DELETE \/[^/?]+\/?\?policy/, 's3:DeleteBucketPolicy'],
  [/^s3 GET \/[^/?]+\/?\?location/, 's3:GetBucketLocation'],
  [/^s3 GET \/[^/?]+\/?\?.*(list-type|versions)/, 's3:ListBucket'],
  [/^s3 HEAD \/[^/?]+\/?$/, 's3:ListBucket'],
  [/^s3 POST \/[^/?]+\/?\?delete/, 's3:DeleteObject'],
  [/^s3 PUT \/[^/?]+\/[^?]+/, 's3:PutObject'],
  [/^s3 (GET|HEAD) \/[^/?]+\/[^?]+/, 's3:GetObject'],
  [/^lambda GET \/2015-03-31\/functions\/[^/]+$/, 'lambda:GetFunction'],
  [/^lambda GET \/2015-03-31\/functions\/[^/]+\/versions/, 'lambda:ListVersionsByFunction'],
  [/^lambda PUT \/2019-09-25\/functions\/[^/]+\/event-invoke-config/, 'lambda:PutFunctionEventInvokeConfig'],
  [
    /^lambda DELETE \/2019-09-25\/functions\/[^/]+\/event-invoke-config/,
    'lambda:DeleteFunctionEventInvokeConfig',
  ],
  [/^lambda POST .*\/invocations$/, 'lambda:InvokeFunction'],
  [/^scheduler POST \/schedules\//, 'scheduler:CreateSchedule'],
  [/^scheduler PUT \/schedules\//, 'scheduler:UpdateSchedule'],
  [/^scheduler DELETE \/schedules\//, 'scheduler:DeleteSchedule'],
  [/^scheduler POST \/schedule-groups\//, 'scheduler:CreateScheduleGroup'],
  [/^scheduler DELETE \/schedule-groups\//, 'scheduler:DeleteScheduleGroup'],
];

/**
 * What this request is called in a policy.
 *
 * @throws Error for a request whose name is not known: add it to `REST`.
 */
export function actionOf({ method, url = '', headers }: IncomingMessage, body: string): string {
  const [, service = ''] = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(headers.authorization ?? '') ?? [];
  const prefix = service === 'monitoring' ? 'cloudwatch' : service;
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return `${prefix}:${target.split('.').at(-1)}`;
  const cbor = /^\/service\/[^/]+\/operation\/([A-Za-z]+)/.exec(url)?.[1];
  const operation =
    cbor ?? new URLSearchParams(body).get('Action') ?? new URLSearchParams(url.split('?')[1]).get('Action');
  if (operation) return `${prefix}:${operation}`;
  const text = `${service} ${method} ${url}`;
  const known = REST.find(([pattern]) => pattern.test(text));
  if (known === undefined) throw new Error(`no policy action is known for ${text}`);
  return known[1];
}
