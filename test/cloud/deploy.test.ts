import assert from 'node:assert/strict';
import { cp, readdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { awsTool, needsAwsTools } from '../support/aws-tools.ts';
import { programEnv, ROOT } from '../support/processes.ts';
import { startTestRedis } from '../support/redis.ts';
import { copyService } from '../support/service.ts';
import type { JsonObject } from '../support/template.ts';
import { type Aws, REGION, startAws } from './aws.ts';
import { allows, readDeployPolicy } from './policy.ts';
import { readRunbook, type Shell, startShell } from './runbook.ts';

const SERVICE = 'p2p-consumer-scheduler';
const STAGE = `${SERVICE}-prod`;
const FUNCTIONS = ['sync', 'ip-check', 'producer-notify'];
const UUIDS = {
  prod: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
  staging: '7d444840-9dc0-41d1-b245-5ffdce74fad2',
};
const OWN_IP = '203.0.113.7';

type Rows = readonly JsonObject[];

/** Each test goes on where the one before it ended, as an operator does: the runbook of docs/DEPLOYING.md, in its order. */
describe('the commands of docs/DEPLOYING.md, against an AWS API', needsAwsTools(), () => {
  let aws: Aws;
  let shell: Shell;
  let book: ReadonlyMap<string, string>;
  let values: Readonly<Record<string, string>>;
  const ends: (() => unknown)[] = [];
  const owner = { after: (end: () => Promise<void> | void) => void ends.push(end) };

  before(async () => {
    const redis = await startTestRedis({ after: (end) => void ends.push(end) }, { transport: 'rest' });
    const folder = await copyService({ after: (end) => void ends.push(end) });
    // What the operator's command needs besides.
    for (const name of await readdir(ROOT)) {
      if (['cli', 'report', 'host', 'kit', 'page'].includes(name))
        await symlink(path.join(ROOT, name), path.join(folder, name));
    }
    await cp(path.join(ROOT, 'docs'), path.join(folder, 'docs'), { recursive: true });
    aws = await startAws(owner);
    book = await readRunbook();
    values = {
      '<the UUID of your consumer API>': UUIDS.prod,
      '<another UUID>': UUIDS.staging,
      'https://<name>.upstash.io': redis.url,
      '<REST token>': redis.token ?? '',
      '<new token>': `${redis.token}-rotated`,
    };
    shell = startShell(
      owner,
      folder,
      programEnv({
        HOME: folder,
        PATH: `${path.join(ROOT, 'node_modules/.bin')}:${awsTool()}:${process.env.PATH}`,
        AWS_ENDPOINT_URL: aws.url,
        AWS_ACCESS_KEY_ID: 'deployer',
        AWS_SECRET_ACCESS_KEY: 'none',
        TMPDIR: folder,
        // Exported by who deploys, and in no file: what the functions get differs from the defaults.
        IP_SOURCES: `static:${OWN_IP}`,
        IP_ALLOW_CIDRS: '203.0.113.0/24',
      }),
    );
  });

  before(() =>
    // Version 1 of the command line takes SQS's address from a table of its own, whatever AWS_ENDPOINT_URL says.
    shell.run('aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }'),
  );

  after(async () => {
    for (const end of ends.reverse()) await end();
  });

  /** Runs the commands under this name, with the operator's own values. */
  async function follow(name: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
    let commands = book.get(name);
    assert.ok(commands !== undefined, `docs/DEPLOYING.md has no runbook:${name}`);
    // Everything is installed here.
    commands = commands.replace(/^npm ci$/m, 'true');
    for (const [placeholder, value] of Object.entries({ ...values, ...more })) {
      commands = commands.replaceAll(placeholder, value);
    }
    assert.doesNotMatch(commands, /<[a-z]+ [^>]*>/, 'a placeholder is left');
    return shell.run(commands);
  }

  const environmentOf = async (name: string) => {
    const { Environment } = await aws.call('lambda', 'get_function_configuration', { FunctionName: name });
    return (Environment as { Variables: Readonly<Record<string, string>> }).Variables;
  };
  const list = async (service: string, operation: string, field: string, parameters: JsonObject = {}) =>
    (await aws.call(service, operation, parameters))[field] as Rows;

  test('a secret is made, and the stack is deployed', async () => {
    for (const name of ['region', 'secret', 'settings', 'deploy']) await follow(name);

    const [stack] = await list('cloudformation', 'describe_stacks', 'Stacks', { StackName: STAGE });
    assert.equal(stack?.StackStatus, 'UPDATE_COMPLETE');
  });

  test('the functions have the secret in their environment, and the template has it not', async () => {
    for (const key of FUNCTIONS) {
      const variables = await environmentOf(`${STAGE}-${key}`);
      assert.equal(variables.LOCAL_UUID, UUIDS.prod);
      assert.equal(variables.REDIS_TOKEN, values['<REST token>']);
      assert.equal(variables.SYNC_INTERVAL_MS, '600000');
      assert.equal(variables.POWERTOOLS_SERVICE_NAME, STAGE);
    }
    const { TemplateBody } = await aws.call('cloudformation', 'get_template', { StackName: STAGE });
    const text = JSON.stringify(TemplateBody);
    assert.match(text, /resolve:secretsmanager:p2p\/prod/);
    assert.ok(!text.includes(String(values['<REST token>'])) && !text.includes(UUIDS.prod));
  });

  test('both schedules are in the group of the stage, and every reference in them is resolved', async () => {
    const schedules = await list('scheduler', 'list_schedules', 'Schedules', { GroupName: STAGE });
    assert.deepEqual(schedules.map(({ Name }) => Name).sort(), [`${STAGE}-ip-check`, `${STAGE}-sync`]);
    const { ScheduleExpression, Target } = await aws.call('scheduler', 'get_schedule', {
      Name: `${STAGE}-sync`,
      GroupName: STAGE,
    });
    assert.equal(ScheduleExpression, 'rate(10 minutes)');
    const { Arn, RoleArn, DeadLetterConfig } = Target as JsonObject;
    assert.deepEqual(
      [Arn, RoleArn, DeadLetterConfig],
      [
        `arn:aws:lambda:${REGION}:123456789012:function:${STAGE}-sync`,
        `arn:aws:iam::123456789012:role/${await physicalId('SchedulerRole')}`,
        { Arn: await queueArn() },
      ],
    );
  });

  test('each function has a role of its own, with nothing but its own policy', async () => {
    const roles = await list('iam', 'list_roles', 'Roles');
    assert.equal(roles.length, 4);
    for (const key of FUNCTIONS) {
      const { Role } = await aws.call('lambda', 'get_function_configuration', {
        FunctionName: `${STAGE}-${key}`,
      });
      const RoleName = String(Role).split('/').at(-1) ?? '';
      assert.deepEqual(await list('iam', 'list_role_policies', 'PolicyNames', { RoleName }), [key]);
      assert.deepEqual(
        await list('iam', 'list_attached_role_policies', 'AttachedPolicies', { RoleName }),
        [],
      );
      const { PolicyDocument } = await aws.call('iam', 'get_role_policy', { RoleName, PolicyName: key });
      const text = JSON.stringify(PolicyDocument);
      assert.ok(
        text.includes(`arn:aws:logs:${REGION}:123456789012:log-group:/aws/lambda/${STAGE}-${key}:*`),
        text,
      );
      assert.doesNotMatch(text, /\$\{|"Fn::|"Ref"/, 'every reference is resolved');
    }
  });

  test('alarms reckon with the schedule that is deployed, and tell the topic and the mail address', async () => {
    const topic = await physicalId('AlarmTopic');
    const alarms = await list('cloudwatch', 'describe_alarms', 'MetricAlarms');
    const byName = new Map(alarms.map((alarm) => [String(alarm.AlarmName), alarm]));
    for (const [name, { AlarmActions, OKActions }] of byName) {
      assert.deepEqual([AlarmActions, OKActions], [[topic], [topic]], name);
    }
    assert.deepEqual(
      [byName.get(`${STAGE}-sync-silent`)?.Period, byName.get(`${STAGE}-sync-silent`)?.EvaluationPeriods],
      [600, 3],
      'three periods of the schedule that is deployed',
    );
    assert.deepEqual(byName.get(`${STAGE}-failure-queue`)?.Dimensions, [
      { Name: 'QueueName', Value: (await queueArn()).split(':').at(-1) },
    ]);
    const subscriptions = await list('sns', 'list_subscriptions', 'Subscriptions');
    assert.deepEqual(
      subscriptions.map(({ TopicArn, Protocol, Endpoint }) => ({ TopicArn, Protocol, Endpoint })),
      [{ TopicArn: topic, Protocol: 'email', Endpoint: 'you@example.org' }],
    );
  });

  test('the dashboard is JSON without a placeholder, and the saved queries are about the log groups that exist', async () => {
    const { DashboardBody } = await aws.call('cloudwatch', 'get_dashboard', { DashboardName: STAGE });
    const { widgets } = JSON.parse(String(DashboardBody)) as { widgets: Rows };
    assert.ok(widgets.length >= 7);
    assert.doesNotMatch(String(DashboardBody), /\$\{/);
    const queries = await aws.queries();
    assert.deepEqual(
      Object.keys(queries).sort(),
      ['address', 'problems', 'runs'].map((name) => `${STAGE}/${name}`),
    );
    for (const { LogGroupNames } of Object.values(queries)) {
      for (const group of LogGroupNames as readonly string[])
        assert.match(group, /^\/aws\/lambda\/p2p-consumer-scheduler-prod-/);
    }
  });

  test('the deployed functions run: a first address is found, and a round is made', async () => {
    assert.match(await follow('verify'), new RegExp(OWN_IP.replaceAll('.', '\\.')));
    await follow('verify-sync');
    await aws.idle();
    assert.ok(aws.calls.some(({ action }) => action === 'lambda:InvokeFunction'));
  });

  test('the queue of what failed for good can be read, and is empty', async () => {
    assert.doesNotMatch(await follow('queue'), /Messages/);
  });

  test('an update without a change deploys nothing', async () => {
    const at = await lastUpdate(STAGE);

    assert.match(await follow('update'), /No changes to deploy/);

    assert.equal(await lastUpdate(STAGE), at);
  });

  test('a second stage stands beside the first, and shares nothing with it', async () => {
    await follow('second');

    const staging = `${SERVICE}-staging`;
    assert.equal((await environmentOf(`${staging}-sync`)).LOCAL_UUID, UUIDS.staging);
    assert.equal((await environmentOf(`${staging}-sync`)).REDIS_PREFIX, '{p2p-staging}:');
    assert.equal((await environmentOf(`${STAGE}-sync`)).LOCAL_UUID, UUIDS.prod);
    assert.equal((await list('scheduler', 'list_schedules', 'Schedules', { GroupName: staging })).length, 2);
    const dimensions = (await list('cloudwatch', 'describe_alarms', 'MetricAlarms'))
      .filter(({ AlarmName }) => AlarmName === `${staging}-failed`)
      .map(({ Dimensions }) => Dimensions);
    assert.deepEqual(dimensions, [[{ Name: 'service', Value: staging }]]);
  });

  test('a rotated secret reaches the functions', async () => {
    await follow('rotate');

    for (const key of FUNCTIONS) {
      assert.equal((await environmentOf(`${STAGE}-${key}`)).REDIS_TOKEN, values['<new token>']);
    }
  });

  test('pausing disables both schedules', async () => {
    await follow('pause');

    const states = (await list('scheduler', 'list_schedules', 'Schedules', { GroupName: STAGE })).map(
      ({ State }) => State,
    );
    assert.deepEqual(states, ['DISABLED', 'DISABLED']);
  });

  test('rolling back brings an earlier deployment back', async () => {
    const listed = await follow('list');
    const timestamps = [...listed.matchAll(/Timestamp: (\d+)/g)].map(([, timestamp = '']) => timestamp);
    assert.ok(timestamps.length >= 3, listed);

    await follow('rollback', { '<timestamp of the list>': timestamps.at(-2) ?? '' });

    const states = (await list('scheduler', 'list_schedules', 'Schedules', { GroupName: STAGE })).map(
      ({ State }) => State,
    );
    assert.deepEqual(states, ['ENABLED', 'ENABLED'], 'the deployment before the pause');
  });

  test('removing leaves nothing of the stage, and nothing of the other one is touched', async () => {
    await follow('remove');
    await follow('remove-secret');

    await assertNothingOf(STAGE);
    const staging = await list('lambda', 'list_functions', 'Functions');
    assert.equal(staging.length, 3);
    await follow('remove', { '--stage prod': '--stage staging' });
    await assertNothingOf(SERVICE);
  });

  test('the policy of who deploys has every action that all this took', async () => {
    const policy = await readDeployPolicy();
    const actions = [...new Set(aws.calls.map(({ action }) => action))].sort();
    assert.ok(actions.length > 20, actions.join(', '));
    // The first needs no permission. Where the second is denied, Serverless takes it that there are no images.
    const needless = ['sts:GetCallerIdentity', 'ecr:DescribeRepositories'];
    const missing = actions.filter((action) => !needless.includes(action) && !allows(policy, action));
    assert.deepEqual(missing, []);
  });

  test('every call went to the region that was exported', () => {
    assert.deepEqual(
      [...new Set(aws.calls.filter(({ action }) => !action.startsWith('iam:')).map(({ region }) => region))],
      [REGION],
    );
  });

  async function physicalId(LogicalResourceId: string): Promise<string> {
    const { StackResourceDetail } = await aws.call('cloudformation', 'describe_stack_resource', {
      StackName: STAGE,
      LogicalResourceId,
    });
    return String((StackResourceDetail as JsonObject).PhysicalResourceId);
  }

  async function queueArn(): Promise<string> {
    const [QueueUrl = ''] = (await aws.call('sqs', 'list_queues', { QueueNamePrefix: STAGE }))
      .QueueUrls as readonly string[];
    const { Attributes } = await aws.call('sqs', 'get_queue_attributes', {
      QueueUrl,
      AttributeNames: ['QueueArn'],
    });
    return String((Attributes as JsonObject).QueueArn);
  }

  async function lastUpdate(StackName: string) {
    const [stack] = await list('cloudformation', 'describe_stacks', 'Stacks', { StackName });
    return stack?.LastUpdatedTime;
  }

  /** Nothing whose name begins so exists any more. */
  async function assertNothingOf(name: string): Promise<void> {
    const left: string[] = [];
    for (const [service, operation, field, key] of [
      ['lambda', 'list_functions', 'Functions', 'FunctionName'],
      ['scheduler', 'list_schedules', 'Schedules', 'Name'],
      ['scheduler', 'list_schedule_groups', 'ScheduleGroups', 'Name'],
      ['iam', 'list_roles', 'Roles', 'RoleName'],
      ['logs', 'describe_log_groups', 'logGroups', 'logGroupName'],
      ['cloudwatch', 'describe_alarms', 'MetricAlarms', 'AlarmName'],
      ['cloudwatch', 'list_dashboards', 'DashboardEntries', 'DashboardName'],
      ['s3', 'list_buckets', 'Buckets', 'Name'],
      ['sns', 'list_topics', 'Topics', 'TopicArn'],
      ['sns', 'list_subscriptions', 'Subscriptions', 'TopicArn'],
      ['cloudformation', 'describe_stacks', 'Stacks', 'StackName'],
    ] as const) {
      for (const row of await list(service, operation, field)) left.push(String(row[key]));
    }
    left.push(...(((await aws.call('sqs', 'list_queues')).QueueUrls ?? []) as readonly string[]));
    left.push(...Object.keys(await aws.queries()));
    assert.deepEqual(
      left.filter((each) => each.includes(name)),
      [],
    );
  }
});
