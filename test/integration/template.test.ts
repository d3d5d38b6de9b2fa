import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { loadConfig } from '../../lib/config.ts';
import { describeVariable, VARIABLE_NAMES } from '../../lib/variables.ts';
import {
  copyService,
  type JsonObject,
  type PackagedService,
  packageService,
  type Resource,
  resolve,
  runPackage,
} from '../support/service.ts';

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
const VARIABLES = VARIABLE_NAMES.filter((name) => describeVariable(name).readBy === 'jobs');
const SECRET = ['LOCAL_UUID', 'REDIS_URL', 'REDIS_TOKEN', 'SIGNING_KEY'];
const FIXED = {
  SYNC_FUNCTION: `${SERVICE}-sync`,
  PRODUCER_NOTIFY_FUNCTION: `${SERVICE}-producer-notify`,
};
const OPTIONAL = VARIABLES.filter((name) => !SECRET.includes(name) && !(name in FIXED));

// Not in a `before` hook: what a hook registers with `after` runs when the hook ends.
const plain = await packageService({ after }, 'prod', PLANTED);
const inVpc = await packageService({ after }, 'prod', {
  ...PLANTED,
  ...Object.fromEntries(OPTIONAL.map((name) => [name, `value of ${name}`])),
  SIGNING_MODE: 'secret',
  VPC_MODE: 'private',
  VPC_SUBNET_IDS: 'subnet-1,subnet-2',
  VPC_SECURITY_GROUP_IDS: 'sg-1',
  SYNC_RESERVED_CONCURRENCY: '6',
});
/** A copy of the service that nothing is to be made of. */
const unpackaged = await copyService({ after });

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
const JOIN_VPC = [
  { Effect: 'Allow', Action: INTERFACE_ACTIONS, Resource: '*' },
  {
    Effect: 'Deny',
    Action: INTERFACE_ACTIONS,
    Resource: '*',
    Condition: { ArnLike: { 'lambda:SourceFunctionArn': KEYS.map(functionArn) } },
  },
];

describe('the schedules', () => {
  const targetOf = (service: PackagedService, logicalId: string) => {
    const { ScheduleExpression, State, Target, FlexibleTimeWindow } = resource(
      service,
      logicalId,
      'AWS::Scheduler::Schedule',
    ).Properties;
    return { ScheduleExpression, State, Target, FlexibleTimeWindow };
  };

  test('sync runs every five minutes', () => {
    assert.deepEqual(targetOf(plain, 'SyncSchedulerSchedule1'), {
      ScheduleExpression: 'rate(5 minutes)',
      State: 'ENABLED',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: {
        Arn: getAtt('SyncLambdaFunction'),
        RoleArn: getAtt('SchedulerRole'),
        Input: '{"source":"schedule"}',
        RetryPolicy: { MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 300 },
        DeadLetterConfig: { Arn: getAtt('FailureQueue') },
      },
    });
  });

  test('ip-check runs every minute', () => {
    assert.deepEqual(targetOf(plain, 'IpDashcheckSchedulerSchedule1'), {
      ScheduleExpression: 'rate(1 minute)',
      State: 'ENABLED',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: {
        Arn: getAtt('IpDashcheckLambdaFunction'),
        RoleArn: getAtt('SchedulerRole'),
        Input: '{"source":"schedule"}',
        RetryPolicy: { MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 60 },
        DeadLetterConfig: { Arn: getAtt('FailureQueue') },
      },
    });
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
      targetOf(plain, 'SyncSchedulerSchedule1').ScheduleExpression,
      `rate(${sync.intervalMs / 60_000} minutes)`,
    );
    assert.equal(
      targetOf(plain, 'IpDashcheckSchedulerSchedule1').ScheduleExpression,
      `rate(${ip.intervalMs / 60_000} minute)`,
    );
  });
});

describe('the roles', () => {
  const statementsOf = (service: PackagedService, role: string, withVpc: boolean) => {
    const { Policies, ManagedPolicyArns } = resource(service, role, 'AWS::IAM::Role').Properties;
    assert.equal(ManagedPolicyArns, undefined);
    assert.ok(Array.isArray(Policies) && Policies.length === 1);
    const { PolicyDocument } = resolve(Policies[0] as JsonObject, withVpc) as { PolicyDocument: JsonObject };
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

  for (const withVpc of [false, true]) {
    const where = withVpc ? 'in a VPC' : 'outside a VPC';
    const join = withVpc ? JOIN_VPC : [];

    test(`${where}, sync may write its log, report a failure, and invoke itself alone`, () => {
      assert.deepEqual(statementsOf(plain, 'SyncRole', withVpc), [
        writeLogs('sync'),
        SEND_FAILURE,
        invoke('sync'),
        ...join,
      ]);
    });

    test(`${where}, ip-check may write its log, report a failure, and invoke producer-notify alone`, () => {
      assert.deepEqual(statementsOf(plain, 'IpCheckRole', withVpc), [
        writeLogs('ip-check'),
        SEND_FAILURE,
        invoke('producer-notify'),
        ...join,
      ]);
    });

    test(`${where}, producer-notify may write its log and report a failure`, () => {
      assert.deepEqual(statementsOf(plain, 'ProducerNotifyRole', withVpc), [
        writeLogs('producer-notify'),
        SEND_FAILURE,
        ...join,
      ]);
    });

    test(`${where}, the schedules may invoke sync and ip-check and report a failure`, () => {
      assert.deepEqual(statementsOf(plain, 'SchedulerRole', withVpc), [
        invoke('sync', 'ip-check'),
        SEND_FAILURE,
      ]);
    });
  }

  for (const [where, service] of [
    ['outside a VPC', () => plain],
    ['in a VPC', () => inVpc],
  ] as const) {
    test(`${where}, no action has a wildcard, and "*" is the resource of nothing but the interface actions`, () => {
      for (const withVpc of [false, true]) {
        const statements = ofType(service(), 'AWS::IAM::Role').flatMap(([role]) =>
          statementsOf(service(), role, withVpc),
        );
        assert.ok(statements.length > 8);
        for (const { Effect, Action, Resource, NotAction, NotResource } of statements as JsonObject[]) {
          assert.deepEqual([NotAction, NotResource], [undefined, undefined]);
          assert.ok(
            Array.isArray(Action) && Action.every((name) => /^[a-z0-9]+:[A-Za-z]+$/.test(String(name))),
          );
          const everything = Resource === '*' || JSON.stringify(Resource).includes('"*"');
          assert.ok(!everything || isDeepStrictEqual(Action, INTERFACE_ACTIONS));
          assert.ok(!everything || withVpc, 'outside a VPC there is none');
          assert.ok(Effect === 'Allow' || everything, 'a Deny is for all of them');
        }
      }
    });
  }

  test('the condition InVpc holds when the service is packaged for a VPC, and only then', () => {
    assert.deepEqual(inVpc.template.Conditions.InVpc, { 'Fn::Equals': ['true', 'true'] });
    assert.deepEqual(plain.template.Conditions.InVpc, { 'Fn::Equals': ['false', 'true'] });
  });

  test("a function role is for Lambda, the schedules' for EventBridge Scheduler of this account", () => {
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
          Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
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
        'AWS::IAM::Role',
        'AWS::Lambda::EventInvokeConfig',
        'AWS::Lambda::Function',
        'AWS::Logs::LogGroup',
        'AWS::S3::Bucket',
        'AWS::S3::BucketPolicy',
        'AWS::SQS::Queue',
        'AWS::Scheduler::Schedule',
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
    POWERTOOLS_SERVICE_NAME: 'p2p-consumer-scheduler',
    POWERTOOLS_METRICS_NAMESPACE: 'P2PConsumerScheduler',
    POWERTOOLS_LOG_LEVEL: 'INFO',
  };

  test('leaves out what was not set when packaging, so that the defaults hold', () => {
    for (const key of KEYS) assert.deepEqual(variablesOf(plain, key), always);
  });

  test('passes on every variable that the configuration knows', () => {
    const given = Object.fromEntries(OPTIONAL.map((name) => [name, `value of ${name}`]));
    const all = { ...always, SIGNING_KEY: secret('signingKey'), ...given };
    for (const key of KEYS) assert.deepEqual(variablesOf(inVpc, key), all);
  });

  test('names the functions as they are named', () => {
    assert.deepEqual(lambdaOf(plain, 'sync').FunctionName, FIXED.SYNC_FUNCTION);
    assert.deepEqual(lambdaOf(plain, 'producer-notify').FunctionName, FIXED.PRODUCER_NOTIFY_FUNCTION);
  });
});

describe('the package', () => {
  test('holds the three functions, what they load lazily, and nothing else', () => {
    assert.deepEqual([...plain.code.keys()].sort(), [
      'functions/ioredis.cjs',
      'functions/ip-check.cjs',
      'functions/producer-notify.cjs',
      'functions/sync.cjs',
    ]);
  });

  test('holds no secret of the environment in any file that packaging wrote', () => {
    for (const service of [plain, inVpc]) {
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

describe('packaging', () => {
  const refused = async (env: Readonly<Record<string, string>>, args = ['--stage', 'prod']) => {
    const { code, output } = await runPackage(unpackaged, args, env);
    assert.notEqual(code, 0, output);
    return output;
  };

  test('refuses the stage local, which would hold the secrets of this machine', async () => {
    assert.match(await refused({}, ['--stage', 'local']), /stage "local" is for npm start/);
    assert.match(await refused({}, ['-s', 'local']), /stage "local" is for npm start/);
  });

  test('refuses an unknown VPC_MODE: without its VPC every call would come from a wrong address', async () => {
    assert.match(await refused({ VPC_MODE: 'privat' }), /InVpc/);
  });

  test('refuses an unknown SIGNING_MODE: without its key nothing would be signed', async () => {
    assert.match(await refused({ SIGNING_MODE: 'on' }), /custom\.signed/);
  });

  test('refuses a VPC without subnets', async () => {
    assert.match(await refused({ VPC_MODE: 'private' }), /VPC_SUBNET_IDS/);
  });

  test('refuses a schedule with another period than the interval', async () => {
    assert.match(await refused({ SYNC_SCHEDULE: 'rate(10 minutes)' }), /needs SYNC_INTERVAL_MS=600000/);
    assert.match(
      await refused({ IP_CHECK_INTERVAL_MS: '30000', IP_CHECK_SCHEDULE: 'rate(1 minute)' }),
      /needs IP_CHECK_INTERVAL_MS=60000/,
    );
  });
});
