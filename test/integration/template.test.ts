import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { loadConfig } from '../../lib/config.ts';
import { METRIC_UNITS } from '../../lib/lambda/metrics.ts';
import { describeVariable, variableNames } from '../../lib/variables.ts';
import { awsTool, needsAwsTools } from '../support/aws-tools.ts';
import { temporaryFolder } from '../support/owner.ts';
import { type PackagedService, packageService } from '../support/service.ts';
import type { JsonObject, Resource } from '../support/template.ts';

const SERVICE = 'p2p-consumer-scheduler-prod';
const FUNCTIONS = {
  sync: { logicalId: 'SyncLambdaFunction', role: 'SyncRole' },
  'ip-check': { logicalId: 'IpDashcheckLambdaFunction', role: 'IpCheckRole' },
  'producer-notify': { logicalId: 'ProducerDashnotifyLambdaFunction', role: 'ProducerNotifyRole' },
} as const;
type FunctionKey = keyof typeof FUNCTIONS;
const KEYS = Object.keys(FUNCTIONS) as FunctionKey[];

/** Secrets that are in the environment of whoever deploys. None may get into a file. */
const PLANTED = {
  LOCAL_UUID: '7d0c9b1e-3f7a-4c51-9a52-planted00000',
  REDIS_URL: 'rediss://default:planted-password@planted-host.example:6380',
  REDIS_TOKEN: 'planted-token-3f9a1c',
  UPSTASH_REDIS_REST_URL: 'https://planted-upstash.example',
  UPSTASH_REDIS_REST_TOKEN: 'planted-upstash-token-77b1',
  SIGNING_KEY: 'whsk_plantedplantedplantedplantedplantedplantedA=',
};

/** Every variable that the jobs read. */
const VARIABLES = variableNames().filter((name) => describeVariable(name).readBy === 'jobs');
const SECRET = ['LOCAL_UUID', 'REDIS_URL', 'REDIS_TOKEN', 'SIGNING_KEY'];
const FIXED = {
  SYNC_FUNCTION: `${SERVICE}-sync`,
  PRODUCER_NOTIFY_FUNCTION: `${SERVICE}-producer-notify`,
};
/** Every other variable that the jobs read, with a value that is not its default. */
const GIVEN = {
  REDIS_TLS_CERT: '/opt/cert.pem',
  REDIS_TLS_KEY: '/opt/key.pem',
  REDIS_PREFIX: '{other}:',
  PEER_PORT: '8080',
  PEER_ALLOW_CIDRS: '10.0.0.0/8',
  BIND_ADDRESS: '10.0.0.1',
  SYNC_INTERVAL_MS: '240000',
  SYNC_CONCURRENCY: '100',
  SYNC_TIMEOUT_MS: '2000',
  SYNC_SHARD_ABOVE: '50000',
  SYNC_MAX_SHARDS: '3',
  SYNC_MAX_PROBES_PER_ROUND: '10000',
  IP_FAMILY: '6',
  IP_SOURCES: 'https://one.example,https://two.example,https://three.example',
  IP_QUORUM: '3',
  IP_ALLOW_CIDRS: 'fd00::/8',
  IP_CHECK_INTERVAL_MS: '30000',
  NOTIFY_CONCURRENCY: '10',
  NOTIFY_TIMEOUT_MS: '4000',
};

const KMS_KEY_ARN = 'arn:aws:kms:eu-central-1:123456789012:key/1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';
const BOUNDARY_ARN = 'arn:aws:iam::123456789012:policy/boundary';

/** What a CI system exports where nobody has set a variable. */
const EMPTY = {
  ...Object.fromEntries(
    variableNames()
      .filter((name) => describeVariable(name).readBy !== 'jobs')
      .map((name) => [name, '']),
  ),
  AWS_REGION: '',
  AWS_DEFAULT_REGION: 'eu-central-1',
  ESBUILD_FOLDER: '',
};

// Not in a `before` hook: what a hook registers with `after` runs when the hook ends.
const [plain, inVpc, silent] = await Promise.all([
  packageService({ after }, 'prod', { ...EMPTY, ...PLANTED }),
  packageService({ after }, 'prod', {
    ...PLANTED,
    ...GIVEN,
    // What is no rate is compared with no interval.
    SYNC_SCHEDULE: 'cron(0 * * * ? *)',
    IP_CHECK_SCHEDULE: 'cron(* * * * ? *)',
    SIGNING_MODE: 'secret',
    VPC_MODE: 'private',
    VPC_SUBNET_IDS: 'subnet-1,subnet-2',
    VPC_SECURITY_GROUP_IDS: 'sg-1',
    SYNC_RESERVED_CONCURRENCY: '6',
    KMS_KEY_ARN,
    PERMISSIONS_BOUNDARY_ARN: BOUNDARY_ARN,
    ALARM_EMAIL: 'operator@example.org',
    SCHEDULES: 'off',
  }),
  packageService({ after }, 'prod', {
    ALARMS: 'off',
    DASHBOARD: 'off',
    ALARM_EMAIL: 'operator@example.org',
    SYNC_SCHEDULE: 'rate(1 day)',
    SYNC_INTERVAL_MS: '86400000',
    IP_CHECK_SCHEDULE: 'rate(5 minutes)',
    IP_CHECK_INTERVAL_MS: '300000',
  }),
]);

function resource({ template }: PackagedService, logicalId: string, type: string): Resource {
  const found = template.Resources[logicalId];
  assert.ok(found, `${logicalId} is in the template`);
  assert.equal(found.Type, type);
  return found;
}

const lambdaOf = (service: PackagedService, key: FunctionKey) =>
  resource(service, FUNCTIONS[key].logicalId, 'AWS::Lambda::Function').Properties;

const ofType = ({ template }: PackagedService, type: string) =>
  Object.entries(template.Resources).filter(([, { Type }]) => Type === type);

const getAtt = (logicalId: string) => ({ 'Fn::GetAtt': [logicalId, 'Arn'] });
/** One of CloudFormation's own placeholders. */
const pseudo = (name: string) => `$\{AWS::${name}}`;
const arnOf = (service: string, rest: string) => ({
  'Fn::Sub': `arn:${pseudo('Partition')}:${service}:${pseudo('Region')}:${pseudo('AccountId')}:${rest}`,
});
const functionArn = (key: FunctionKey) => arnOf('lambda', `function:${SERVICE}-${key}`);
const logStreamsArn = (key: FunctionKey) => arnOf('logs', `log-group:/aws/lambda/${SERVICE}-${key}:*`);

const SEND_FAILURE = {
  Effect: 'Allow',
  Action: ['sqs:SendMessage'],
  Resource: [getAtt('FailureQueue')],
};
const INTERFACE_ACTIONS = [
  'ec2:CreateNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
];
/** What a function may do besides, in its VPC and with a key for its environment. */
const IN_VPC = [
  { Effect: 'Allow', Action: ['kms:Decrypt'], Resource: [KMS_KEY_ARN] },
  { Effect: 'Allow', Action: INTERFACE_ACTIONS, Resource: '*' },
  {
    Effect: 'Deny',
    Action: INTERFACE_ACTIONS,
    Resource: '*',
    Condition: { ArnLike: { 'lambda:SourceFunctionArn': KEYS.map(functionArn) } },
  },
];

describe('the schedules', () => {
  const scheduleOf = (service: PackagedService, logicalId: string) => {
    return resource(service, logicalId, 'AWS::Scheduler::Schedule').Properties;
  };

  for (const [key, id, words, age] of [
    ['sync', 'SyncSchedulerSchedule1', 'rate(5 minutes)', 300],
    ['ip-check', 'IpDashcheckSchedulerSchedule1', 'rate(1 minute)', 60],
  ] as const) {
    test(`${key} runs at ${words}, in the group of its stage`, () => {
      assert.deepEqual(scheduleOf(plain, id), {
        Name: `${SERVICE}-${key}`,
        GroupName: { Ref: 'ScheduleGroup' },
        ScheduleExpression: words,
        State: 'ENABLED',
        FlexibleTimeWindow: { Mode: 'OFF' },
        Target: {
          Arn: getAtt(FUNCTIONS[key].logicalId),
          RoleArn: getAtt('SchedulerRole'),
          Input: '{"source":"schedule"}',
          RetryPolicy: { MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: age },
          DeadLetterConfig: { Arn: getAtt('FailureQueue') },
        },
      });
    });
  }

  test('are in a group of their stage', () => {
    const { Name } = resource(plain, 'ScheduleGroup', 'AWS::Scheduler::ScheduleGroup').Properties;
    assert.equal(Name, SERVICE);
  });

  test('are paused by SCHEDULES=off', () => {
    for (const [, { Properties }] of ofType(inVpc, 'AWS::Scheduler::Schedule')) {
      assert.equal(Properties.State, 'DISABLED');
    }
  });

  test('there are no others, and none of the legacy kind', () => {
    assert.equal(ofType(plain, 'AWS::Scheduler::Schedule').length, 2);
    assert.equal(ofType(plain, 'AWS::Events::Rule').length, 0);
  });

  test('the default periods are those that the configuration reckons with', () => {
    const { sync, ip } = loadConfig({
      LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
      REDIS_URL: 'redis://127.0.0.1',
    });

    assert.equal(
      scheduleOf(plain, 'SyncSchedulerSchedule1').ScheduleExpression,
      `rate(${sync.intervalMs / 60_000} minutes)`,
    );
    assert.equal(
      scheduleOf(plain, 'IpDashcheckSchedulerSchedule1').ScheduleExpression,
      `rate(${ip.intervalMs / 60_000} minute)`,
    );
  });
});

describe('the roles', () => {
  const statementsOf = (service: PackagedService, role: string) => {
    const { Policies, ManagedPolicyArns } = resource(service, role, 'AWS::IAM::Role').Properties;
    assert.equal(ManagedPolicyArns, undefined);
    assert.ok(Array.isArray(Policies) && Policies.length === 1);
    const { PolicyDocument } = Policies[0] as { PolicyDocument: JsonObject };
    assert.ok(Array.isArray(PolicyDocument.Statement));
    return PolicyDocument.Statement;
  };
  const writeLogs = (key: FunctionKey) => ({
    Effect: 'Allow',
    Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    Resource: [logStreamsArn(key)],
  });
  const invoke = (...keys: FunctionKey[]) => ({
    Effect: 'Allow',
    Action: ['lambda:InvokeFunction'],
    Resource: keys.map(functionArn),
  });

  test('there is one for each function and one for the schedules', () => {
    assert.deepEqual(
      ofType(plain, 'AWS::IAM::Role')
        .map(([logicalId]) => logicalId)
        .sort(),
      ['IpCheckRole', 'ProducerNotifyRole', 'SchedulerRole', 'SyncRole'],
    );
    for (const key of KEYS) assert.deepEqual(lambdaOf(plain, key).Role, getAtt(FUNCTIONS[key].role));
  });

  for (const [where, service, more] of [
    ['outside a VPC', plain, []],
    ['in a VPC', inVpc, IN_VPC],
  ] as const) {
    test(`${where}, sync may write its log, report a failure, and invoke itself alone`, () => {
      assert.deepEqual(statementsOf(service, 'SyncRole'), [
        writeLogs('sync'),
        SEND_FAILURE,
        invoke('sync'),
        ...more,
      ]);
    });

    test(`${where}, ip-check may write its log, report a failure, and invoke producer-notify alone`, () => {
      assert.deepEqual(statementsOf(service, 'IpCheckRole'), [
        writeLogs('ip-check'),
        SEND_FAILURE,
        invoke('producer-notify'),
        ...more,
      ]);
    });

    test(`${where}, producer-notify may write its log and report a failure`, () => {
      assert.deepEqual(statementsOf(service, 'ProducerNotifyRole'), [
        writeLogs('producer-notify'),
        SEND_FAILURE,
        ...more,
      ]);
    });

    test(`${where}, the schedules may invoke sync and ip-check and report a failure`, () => {
      assert.deepEqual(statementsOf(service, 'SchedulerRole'), [invoke('sync', 'ip-check'), SEND_FAILURE]);
    });

    test(`${where}, no action has a wildcard, and "*" is the resource of nothing but the interface actions`, () => {
      const statements = ofType(service, 'AWS::IAM::Role').flatMap(([role]) => statementsOf(service, role));
      assert.ok(statements.length > 8);
      for (const { Effect, Action, Resource, NotAction, NotResource } of statements as JsonObject[]) {
        assert.deepEqual([NotAction, NotResource], [undefined, undefined]);
        assert.ok(
          Array.isArray(Action) && Action.every((name) => /^[a-z0-9]+:[A-Za-z]+$/.test(String(name))),
        );
        const everything = Resource === '*' || JSON.stringify(Resource).includes('"*"');
        assert.ok(!everything || isDeepStrictEqual(Action, INTERFACE_ACTIONS));
        assert.ok(!everything || service === inVpc, 'outside a VPC there is none');
        assert.ok(Effect === 'Allow' || everything, 'a Deny is for all of them');
      }
    });
  }

  test('have a permissions boundary where one is given', () => {
    for (const [, { Properties }] of ofType(plain, 'AWS::IAM::Role')) {
      assert.equal(Properties.PermissionsBoundary, undefined);
    }
    for (const [, { Properties }] of ofType(inVpc, 'AWS::IAM::Role')) {
      assert.equal(Properties.PermissionsBoundary, BOUNDARY_ARN);
    }
  });

  test("a function role is for Lambda, the schedules' for this stage's group of schedules", () => {
    for (const key of KEYS) {
      assert.deepEqual(
        resource(plain, FUNCTIONS[key].role, 'AWS::IAM::Role').Properties.AssumeRolePolicyDocument,
        {
          Version: '2012-10-17',
          Statement: [
            { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: ['sts:AssumeRole'] },
          ],
        },
      );
    }
    assert.deepEqual(resource(plain, 'SchedulerRole', 'AWS::IAM::Role').Properties.AssumeRolePolicyDocument, {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Service: 'scheduler.amazonaws.com' },
          Action: ['sts:AssumeRole'],
          Condition: {
            StringEquals: {
              'aws:SourceAccount': { Ref: 'AWS::AccountId' },
              'aws:SourceArn': getAtt('ScheduleGroup'),
            },
          },
        },
      ],
    });
  });
});

describe('asynchronous invocations', () => {
  const LIMITS = {
    sync: { retries: 0, age: 300, timeout: 240 },
    'ip-check': { retries: 0, age: 60, timeout: 50 },
    'producer-notify': { retries: 2, age: 3600, timeout: 300 },
  } as const;
  const CONFIG_IDS = {
    sync: 'SyncLambdaEvConf',
    'ip-check': 'IpDashcheckLambdaEvConf',
    'producer-notify': 'ProducerDashnotifyLambdaEvConf',
  } as const;

  for (const key of KEYS) {
    test(`${key} has its retries, event age, time limit and failure queue`, () => {
      const { retries, age, timeout } = LIMITS[key];

      assert.deepEqual(resource(plain, CONFIG_IDS[key], 'AWS::Lambda::EventInvokeConfig').Properties, {
        FunctionName: { Ref: FUNCTIONS[key].logicalId },
        Qualifier: '$LATEST',
        MaximumRetryAttempts: retries,
        MaximumEventAgeInSeconds: age,
        DestinationConfig: { OnFailure: { Destination: getAtt('FailureQueue') } },
      });
      assert.equal(lambdaOf(plain, key).Timeout, timeout);
    });
  }

  test('the failure queue is encrypted and keeps what it gets for 14 days', () => {
    assert.deepEqual(resource(plain, 'FailureQueue', 'AWS::SQS::Queue').Properties, {
      SqsManagedSseEnabled: true,
      MessageRetentionPeriod: 14 * 24 * 3600,
    });
  });

  test('the longest NOTIFY_TIMEOUT_MS that is accepted fits the time limit of producer-notify', () => {
    const tooLong = Math.floor((LIMITS['producer-notify'].timeout * 1000 - 25_000) / 2) + 1;

    assert.throws(
      () =>
        loadConfig({
          LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
          REDIS_URL: 'redis://127.0.0.1',
          NOTIFY_TIMEOUT_MS: String(tooLong),
        }),
      /NOTIFY_TIMEOUT_MS/,
    );
  });
});

describe('the functions', () => {
  test('run on Node 24, on arm64, with the memory that their work needs', () => {
    const memory = { sync: 1769, 'ip-check': 256, 'producer-notify': 1024 };
    for (const key of KEYS) {
      const { Runtime, Architectures, MemorySize, FunctionName, Handler } = lambdaOf(plain, key);
      assert.deepEqual(
        { Runtime, Architectures, MemorySize, FunctionName, Handler },
        {
          Runtime: 'nodejs24.x',
          Architectures: ['arm64'],
          MemorySize: memory[key],
          FunctionName: `${SERVICE}-${key}`,
          Handler: `functions/${key}.handler`,
        },
      );
    }
  });

  test('are the three that there are, and nobody can reach them from outside', () => {
    assert.equal(ofType(plain, 'AWS::Lambda::Function').length, 3);
    const types = Object.values(plain.template.Resources).map(({ Type }) => Type);
    assert.deepEqual(
      [...new Set(types)].sort(),
      [
        'AWS::CloudWatch::Alarm',
        'AWS::CloudWatch::Dashboard',
        'AWS::IAM::Role',
        'AWS::Lambda::EventInvokeConfig',
        'AWS::Lambda::Function',
        'AWS::Logs::LogGroup',
        'AWS::Logs::QueryDefinition',
        'AWS::S3::Bucket',
        'AWS::S3::BucketPolicy',
        'AWS::SNS::Topic',
        'AWS::SQS::Queue',
        'AWS::Scheduler::Schedule',
        'AWS::Scheduler::ScheduleGroup',
      ],
      'no function URL, no API, no permission for anybody',
    );
  });

  test('have their code in a bucket that is encrypted and closed to the public', () => {
    const buckets = ofType(plain, 'AWS::S3::Bucket').map(([, { Properties }]) => Properties);
    assert.equal(buckets.length, 1);
    const [Properties = {}] = buckets;
    assert.match(JSON.stringify(Properties.BucketEncryption), /"SSEAlgorithm":"(AES256|aws:kms)"/);
    assert.deepEqual(Properties.PublicAccessBlockConfiguration, {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    });
    for (const [, { Properties: policy }] of ofType(plain, 'AWS::S3::BucketPolicy')) {
      assert.doesNotMatch(JSON.stringify(policy), /"Effect":"Allow"/, 'it only denies what is not TLS');
    }
  });

  test('keep their logs for 30 days', () => {
    const groups = ofType(plain, 'AWS::Logs::LogGroup').map(([, { Properties }]) => Properties);
    assert.deepEqual(
      groups,
      KEYS.map((key) => ({ LogGroupName: `/aws/lambda/${SERVICE}-${key}`, RetentionInDays: 30 })),
    );
  });

  test('reserve no concurrency unless told to, and sync alone', () => {
    for (const key of KEYS) assert.equal(lambdaOf(plain, key).ReservedConcurrentExecutions, undefined);
    assert.equal(lambdaOf(inVpc, 'sync').ReservedConcurrentExecutions, 6);
    assert.equal(lambdaOf(inVpc, 'ip-check').ReservedConcurrentExecutions, undefined);
  });

  test('are in the VPC that was named, or in none', () => {
    for (const key of KEYS) {
      assert.equal(lambdaOf(plain, key).VpcConfig, undefined);
      assert.deepEqual(lambdaOf(inVpc, key).VpcConfig, {
        SubnetIds: { 'Fn::Split': [',', 'subnet-1,subnet-2'] },
        SecurityGroupIds: { 'Fn::Split': [',', 'sg-1'] },
      });
    }
  });

  test('have their environment under a key of its owner where one is given', () => {
    for (const key of KEYS) {
      assert.equal(lambdaOf(plain, key).KmsKeyArn, undefined);
      assert.equal(lambdaOf(inVpc, key).KmsKeyArn, KMS_KEY_ARN);
    }
  });

  test('carry the tags by which their cost is found', () => {
    for (const key of KEYS) {
      assert.deepEqual(lambdaOf(plain, key).Tags, [
        { Key: 'project', Value: 'p2p-consumer-scheduler' },
        { Key: 'stage', Value: 'prod' },
      ]);
    }
  });
});

describe('the environment', () => {
  const variablesOf = (service: PackagedService, key: FunctionKey) => {
    const { Variables } = lambdaOf(service, key).Environment as { Variables: JsonObject };
    return Variables;
  };
  const secret = (field: string) => `{{resolve:secretsmanager:p2p/prod:SecretString:${field}}}`;
  const always = {
    LOCAL_UUID: secret('localUuid'),
    REDIS_URL: secret('redisUrl'),
    REDIS_TOKEN: secret('redisToken'),
    ...FIXED,
    POWERTOOLS_SERVICE_NAME: SERVICE,
    POWERTOOLS_METRICS_NAMESPACE: 'P2PConsumerScheduler',
    POWERTOOLS_LOG_LEVEL: 'INFO',
  };

  test('leaves out what was not set when packaging, so that the defaults hold', () => {
    for (const key of KEYS) assert.deepEqual(variablesOf(plain, key), always);
  });

  test('passes on every variable that the configuration knows', () => {
    assert.deepEqual([...SECRET, ...Object.keys(FIXED), ...Object.keys(GIVEN)].sort(), VARIABLES.toSorted());
    const all = { ...always, SIGNING_KEY: secret('signingKey'), ...GIVEN };
    for (const key of KEYS) assert.deepEqual(variablesOf(inVpc, key), all);
  });
});

describe('the package', () => {
  test('is for the region that is set, beside one that is exported empty', () => {
    assert.match(String(plain.everything.get('serverless-state.json')), /"region": "eu-central-1"/);
  });

  test('holds the three functions, what they load lazily, and nothing else', () => {
    assert.deepEqual([...plain.code.keys()].sort(), [
      'functions/ioredis.cjs',
      'functions/ip-check.cjs',
      'functions/producer-notify.cjs',
      'functions/sync.cjs',
    ]);
  });

  test('holds no secret of the environment in any file that packaging wrote', () => {
    for (const service of [plain, inVpc, silent]) {
      assert.ok(service.everything.size > 7, 'template, state, archive and its files');
      for (const [name, content] of service.everything) {
        assert.ok(!content.includes('planted'), `${name} holds a planted secret`);
      }
    }
  });

  test('is all that packaging leaves behind', () => {
    assert.deepEqual(plain.leftovers, [], 'serverless leaves a folder in the temporary directory');
  });

  test('leaves the SDK to the runtime', () => {
    for (const key of KEYS) {
      const code = String(plain.code.get(`functions/${key}.cjs`));
      assert.ok(code.includes('require("@aws-sdk/client-lambda")'));
      assert.ok(!code.includes('node_modules/@aws-sdk'));
    }
  });
});

describe('the alarms', () => {
  const alarmsOf = (service: PackagedService) =>
    Object.fromEntries(
      ofType(service, 'AWS::CloudWatch::Alarm').map(([id, { Properties }]) => [id, Properties]),
    );
  const alarm = (service: PackagedService, id: string) =>
    resource(service, id, 'AWS::CloudWatch::Alarm').Properties;
  const SILENCE = ['IpCheckSilentAlarm', 'SyncSilentAlarm'];
  const FAULTS = [
    'DeliveriesDueAlarm',
    'ErrorsAlarm',
    'FailedAlarm',
    'FailureQueueAlarm',
    'InvocationsDroppedAlarm',
    'IpUnknownAlarm',
    'RedundancyLostAlarm',
  ];

  test('are those that there are', () => {
    assert.deepEqual(Object.keys(alarmsOf(plain)).sort(), [...FAULTS, ...SILENCE].sort());
  });

  test('of silence treat missing data as the fault; to all others it means that nothing happened', () => {
    for (const [id, { TreatMissingData }] of Object.entries(alarmsOf(plain))) {
      assert.equal(TreatMissingData, SILENCE.includes(id) ? 'breaching' : 'notBreaching', id);
    }
  });

  test('tell one topic, also when the trouble is over, and say what to do', () => {
    for (const [id, { AlarmActions, OKActions, AlarmDescription }] of Object.entries(alarmsOf(plain))) {
      assert.deepEqual([AlarmActions, OKActions], [[{ Ref: 'AlarmTopic' }], [{ Ref: 'AlarmTopic' }]], id);
      assert.match(String(AlarmDescription), /Look |Run |Read |Replace |The failure queue has/, id);
    }
    assert.equal(ofType(plain, 'AWS::SNS::Topic').length, 1);
  });

  test('watch metrics that exist, of this stage', () => {
    for (const [id, { Namespace, MetricName, Dimensions }] of Object.entries(alarmsOf(plain))) {
      if (Namespace !== 'P2PConsumerScheduler') continue;
      assert.ok(String(MetricName) in METRIC_UNITS, id);
      assert.deepEqual(Dimensions, [{ Name: 'service', Value: SERVICE }], id);
    }
  });

  test('ring after five minutes without a check, and after three periods without a round', () => {
    const rule = (service: PackagedService, id: string) => {
      const { MetricName, Statistic, Period, EvaluationPeriods, Threshold, ComparisonOperator } = alarm(
        service,
        id,
      );
      assert.deepEqual(
        [MetricName, Statistic, Threshold, ComparisonOperator],
        ['Invocations', 'Sum', 1, 'LessThanThreshold'],
      );
      return [Period, EvaluationPeriods];
    };
    assert.deepEqual(rule(plain, 'IpCheckSilentAlarm'), [300, 1]);
    assert.deepEqual(rule(plain, 'SyncSilentAlarm'), [300, 3]);
  });

  test('count the errors of all three functions, where a function that did not run has none', () => {
    const { Metrics } = alarm(plain, 'ErrorsAlarm') as { Metrics: readonly JsonObject[] };
    assert.equal(Metrics[0]?.Expression, 'FILL(a,0)+FILL(b,0)+FILL(c,0)');
    assert.deepEqual(
      Metrics.slice(1).map(({ Id, ReturnData, MetricStat }) => ({ Id, ReturnData, MetricStat })),
      KEYS.map((key, at) => ({
        Id: 'abc'.charAt(at),
        ReturnData: false,
        MetricStat: {
          Metric: {
            Namespace: 'AWS/Lambda',
            MetricName: 'Errors',
            Dimensions: [{ Name: 'FunctionName', Value: `${SERVICE}-${key}` }],
          },
          Stat: 'Sum',
          Period: 300,
        },
      })),
    );
  });

  test('do not ring for paused schedules', () => {
    assert.deepEqual(Object.keys(alarmsOf(inVpc)).sort(), FAULTS);
  });

  test('are told by e-mail where an address is given', () => {
    assert.deepEqual(ofType(plain, 'AWS::SNS::Subscription'), []);
    assert.deepEqual(resource(inVpc, 'AlarmEmail', 'AWS::SNS::Subscription').Properties, {
      TopicArn: { Ref: 'AlarmTopic' },
      Protocol: 'email',
      Endpoint: 'operator@example.org',
    });
  });

  test('are gone with everything that belongs to them by ALARMS=off', () => {
    for (const type of ['AWS::CloudWatch::Alarm', 'AWS::SNS::Topic', 'AWS::SNS::Subscription']) {
      assert.deepEqual(ofType(silent, type), []);
    }
    assert.deepEqual(Object.keys(silent.template.Outputs), [
      'ServerlessDeploymentBucketName',
      'FailureQueueUrl',
    ]);
  });
});

describe('the dashboard', () => {
  const bodyOf = (service: PackagedService) => {
    const { DashboardBody } = resource(service, 'Dashboard', 'AWS::CloudWatch::Dashboard').Properties;
    return JSON.parse(String((DashboardBody as JsonObject)['Fn::Sub'])) as { widgets: readonly JsonObject[] };
  };

  test('shows every custom metric, and only those that exist', () => {
    const shown = bodyOf(plain).widgets.flatMap(({ properties }) => {
      const { metrics = [] } = properties as { metrics?: readonly (readonly string[])[] };
      let namespace = '';
      return metrics.flatMap(([first = '', name = '']) => {
        if (first === '...') return [];
        namespace = first === '.' ? namespace : first;
        return namespace === 'P2PConsumerScheduler' ? [name] : [];
      });
    });
    assert.deepEqual(shown.sort(), Object.keys(METRIC_UNITS).sort());
  });

  test('is gone with the saved queries by DASHBOARD=off', () => {
    assert.equal(ofType(plain, 'AWS::Logs::QueryDefinition').length, 3);
    assert.deepEqual(ofType(silent, 'AWS::Logs::QueryDefinition'), []);
    assert.deepEqual(ofType(silent, 'AWS::CloudWatch::Dashboard'), []);
  });
});

test("AWS's own linter finds no error in the template, whatever its switches", needsAwsTools(), async (t) => {
  const folder = temporaryFolder(t);
  const files = await Promise.all(
    [plain, inVpc, silent].map(async ({ templateText }, at) => {
      const file = path.join(folder, `${at}.json`);
      await writeFile(file, templateText);
      return file;
    }),
  );

  // Its exit code tells of errors alone. Its warnings are that conditions are decided while packaging.
  const linter = spawn(awsTool('cfn-lint'), [
    ...['--non-zero-exit-code', 'error', '--regions', 'eu-central-1', '--template'],
    ...files,
  ]);
  const [output, [code]] = await Promise.all([text(linter.stdout), once(linter, 'close')]);

  assert.equal(code, 0, output);
});
