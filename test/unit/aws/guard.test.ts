import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { temporaryFolder } from '../../support/owner.ts';

const require = createRequire(import.meta.url);
const Guard: new (
  serverless: object,
  options: object,
) => { hooks: Record<string, () => void> } = require('../../../aws/guard.cjs');

const REFERENCES = {
  LOCAL_UUID: '{{resolve:secretsmanager:p2p/prod:SecretString:localUuid}}',
  REDIS_URL: '{{resolve:secretsmanager:p2p/prod:SecretString:redisUrl}}',
  REDIS_TOKEN: '{{resolve:secretsmanager:p2p/prod:SecretString:redisToken}}',
  SIGNING_KEY: null,
};

const before = { ...process.env };
afterEach(() => {
  process.env = { ...before };
});

interface Situation {
  /** The command, as far as the guard sees it. */
  readonly command: 'package' | 'deploy' | 'remove' | 'rollback';
  readonly stage?: string;
  readonly region?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly functionEnvironment?: Readonly<Record<string, string>>;
  readonly serviceDir?: string;
  readonly outputWorkFolder?: string;
}

/** What Serverless would be told when it reaches this hook: the refusal, or undefined. */
function refusalAt(
  hook: string,
  {
    command,
    stage = 'prod',
    region,
    env = {},
    environment = REFERENCES,
    functionEnvironment = {},
    serviceDir = '/nowhere',
    outputWorkFolder = '.esbuild/prod',
  }: Situation,
): string | undefined {
  process.env = { PATH: before.PATH, ...env };
  const serverless = {
    processedInput: { commands: [command] },
    serviceDir,
    classes: { Error },
    getProvider: () => ({ getStage: () => stage }),
    service: {
      provider: { environment },
      functions: { sync: { environment: functionEnvironment } },
      custom: { esbuild: { outputWorkFolder } },
    },
  };
  const { hooks } = new Guard(serverless, region === undefined ? {} : { region });
  try {
    hooks[hook]?.();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message;
  }
}

const PACKAGE = 'before:package:cleanup';
const DEPLOY = 'before:deploy:deploy';
const REMOVE = 'before:remove:remove';
const ROLLBACK = 'before:rollback:initialize';
const DEPLOY_FUNCTION = 'before:deploy:function:initialize';

describe('the stage local', () => {
  for (const [hook, command] of [
    [PACKAGE, 'package'],
    [DEPLOY, 'deploy'],
    [REMOVE, 'remove'],
    [ROLLBACK, 'rollback'],
  ] as const) {
    test(`is refused by ${command}`, () => {
      const refusal = refusalAt(hook, { command, stage: 'local', region: 'eu-central-1' });

      assert.match(refusal ?? '', /stage "local" is for this machine/);
    });
  }
});

describe('a region', () => {
  test('is asked for by whatever touches a stack', () => {
    assert.match(refusalAt(DEPLOY, { command: 'deploy' }) ?? '', /Which region\?/);
    assert.match(refusalAt(REMOVE, { command: 'remove' }) ?? '', /Which region\?/);
    assert.match(refusalAt(ROLLBACK, { command: 'rollback' }) ?? '', /Which region\?/);
    assert.match(
      refusalAt(PACKAGE, { command: 'deploy' }) ?? '',
      /Which region\?/,
      'before anything is built',
    );
  });

  test('is taken from --region, AWS_REGION or AWS_DEFAULT_REGION', () => {
    assert.equal(refusalAt(DEPLOY, { command: 'deploy', region: 'eu-central-1' }), undefined);
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION']) {
      assert.equal(refusalAt(REMOVE, { command: 'remove', env: { [name]: 'eu-central-1' } }), undefined);
    }
  });

  test('is not needed for a package', () => {
    assert.equal(refusalAt(PACKAGE, { command: 'package' }), undefined);
  });
});

describe('a secret', () => {
  test('is refused as it is, whatever brought it into the environment', () => {
    const plain = { ...REFERENCES, REDIS_TOKEN: 'planted' };
    const mixed = { ...REFERENCES, REDIS_URL: 'x{{resolve:secretsmanager:a}}' };

    assert.match(refusalAt(PACKAGE, { command: 'package', environment: plain }) ?? '', /^REDIS_TOKEN would/);
    assert.match(refusalAt(PACKAGE, { command: 'package', environment: mixed }) ?? '', /^REDIS_URL would/);
    assert.match(
      refusalAt(PACKAGE, { command: 'package', functionEnvironment: { SIGNING_KEY: 'planted' } }) ?? '',
      /^SIGNING_KEY would/,
    );
  });

  test('is not repeated by the refusal', () => {
    const environment = { ...REFERENCES, REDIS_TOKEN: 'planted' };

    assert.doesNotMatch(refusalAt(PACKAGE, { command: 'package', environment }) ?? '', /planted/);
  });
});

describe('a configuration that Serverless would deploy without a word', () => {
  test('is refused for what AWS would refuse later', () => {
    const good = {
      VPC_MODE: 'private',
      VPC_SUBNET_IDS: 'subnet-1,subnet-2',
      VPC_SECURITY_GROUP_IDS: 'sg-1',
      KMS_KEY_ARN: 'arn:aws:kms:eu-central-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab',
      PERMISSIONS_BOUNDARY_ARN: 'arn:aws:iam::aws:policy/PowerUserAccess',
      ALARM_EMAIL: 'you@example.org',
    };
    const refusal = (wrong: Record<string, string>) =>
      refusalAt(PACKAGE, { command: 'package', env: { ...good, ...wrong } });

    assert.equal(refusal({}), undefined);
    assert.equal(refusal({ KMS_KEY_ARN: '', PERMISSIONS_BOUNDARY_ARN: '', ALARM_EMAIL: '' }), undefined);
    assert.equal(refusal({ VPC_MODE: '', VPC_SUBNET_IDS: '', VPC_SECURITY_GROUP_IDS: '' }), undefined);
    for (const [name, ...values] of [
      ['VPC_SUBNET_IDS', '', 'sg-1', 'subnet-1, subnet-2', 'subnet-1,'],
      ['VPC_SECURITY_GROUP_IDS', '', 'subnet-1', '"sg-1"'],
      ['KMS_KEY_ARN', 'arn:aws:kms:eu-central-1:123456789012:alias/p2p'],
      ['PERMISSIONS_BOUNDARY_ARN', 'PowerUserAccess', 'arn:aws:iam::123456789012:role/boundary'],
      ['ALARM_EMAIL', 'you', 'you@example.org,me@example.org', '<you@example.org> You'],
    ] as const) {
      for (const value of values)
        assert.match(refusal({ [name]: value }) ?? '', new RegExp(`^${name} must be`), value);
    }
  });

  test('is refused for a switch that has an unknown value, by every command', () => {
    const refusal = (env: Record<string, string>) => refusalAt('initialize', { command: 'remove', env });

    for (const [name, good, wrong] of [
      ['SCHEDULES', 'off', 'Off'],
      ['ALARMS', 'on', 'true'],
      ['DASHBOARD', 'off', 'none'],
      ['SIGNING_MODE', 'secret', 'yes'],
      ['VPC_MODE', 'private', 'public'],
    ] as const) {
      assert.equal(refusal({ [name]: good }), undefined);
      assert.equal(refusal({ [name]: '' }), undefined);
      assert.match(refusal({ [name]: wrong }) ?? '', new RegExp(`^${name} must be \\w+ or \\w+\\.$`));
    }
  });

  test('is refused for what the functions would refuse in every run, in the same words', () => {
    const refusal = (wrong: Record<string, string | null>, functionEnvironment = {}) => {
      const environment = { ...REFERENCES, ...wrong };
      return refusalAt(PACKAGE, { command: 'package', environment, functionEnvironment }) ?? '';
    };

    const both = refusal({ SYNC_CONCURRENCY: 'abc', IP_FAMILY: '5' });
    assert.match(both, /SYNC_CONCURRENCY must be a whole number from 1 to 900/);
    assert.match(both, /IP_FAMILY must be 4 or 6/);
    assert.match(
      refusal({ IP_SOURCES: 'https://a.example', IP_QUORUM: '2' }),
      /^.+\n {2}- IP_QUORUM must not/,
    );
    assert.match(refusal({}, { PEER_PORT: '"80"' }), /PEER_PORT is in quotes/);
    assert.equal(
      refusal({ PEER_PORT: null, SYNC_INTERVAL_MS: '600000', REDIS_TLS_CERT: '/opt/cert.pem' }),
      '',
    );
    assert.equal(refusal({ SIGNING_KEY: '{{resolve:secretsmanager:p2p/prod:SecretString:signingKey}}' }), '');
  });

  test('is refused for a schedule with another period than the interval', () => {
    const faults: [Record<string, string>, RegExp][] = [
      [{ SYNC_SCHEDULE: 'rate(10 minutes)' }, /needs SYNC_INTERVAL_MS=600000/],
      [{ SYNC_INTERVAL_MS: '600000' }, /^SYNC_SCHEDULE=rate\(5 minutes\) needs SYNC_INTERVAL_MS=300000/],
      [{ IP_CHECK_INTERVAL_MS: 'often', IP_CHECK_SCHEDULE: '' }, /needs IP_CHECK_INTERVAL_MS=60000/],
      [
        { IP_CHECK_INTERVAL_MS: '30000', IP_CHECK_SCHEDULE: 'rate(1 minute)' },
        /needs IP_CHECK_INTERVAL_MS=60000/,
      ],
    ];
    for (const [env, expected] of faults) {
      assert.match(refusalAt(PACKAGE, { command: 'package', env }) ?? '', expected);
    }
  });

  test('is accepted where schedule and interval agree', () => {
    const env = { SYNC_SCHEDULE: 'rate(1 hour)', SYNC_INTERVAL_MS: '3600000' };

    assert.equal(refusalAt(PACKAGE, { command: 'package', env }), undefined);
  });
});

test('packaging removes what an earlier build left, and nothing outside .esbuild', (t) => {
  const serviceDir = temporaryFolder(t);
  const built = path.join(serviceDir, '.esbuild', 'prod');
  mkdirSync(built, { recursive: true });

  for (const outputWorkFolder of ['', '.', '..', '.esbuild', '.esbuild/..', '.esbuild/prod/..', tmpdir()]) {
    const refusal = refusalAt(PACKAGE, { command: 'package', serviceDir, outputWorkFolder });
    assert.match(refusal ?? '', /^ESBUILD_FOLDER must name a folder in \.esbuild/, outputWorkFolder);
    assert.ok(existsSync(built), outputWorkFolder);
  }
  assert.equal(refusalAt(PACKAGE, { command: 'package', serviceDir }), undefined);
  assert.deepEqual([existsSync(built), existsSync(serviceDir)], [false, true]);
});

test('"deploy function" is refused: it would leave the references to the secret unresolved', () => {
  assert.match(
    refusalAt(DEPLOY_FUNCTION, { command: 'deploy', region: 'eu-central-1' }) ?? '',
    /Use "deploy"/,
  );
});
