// What Serverless would do without a word and must not, whichever way it was started (`npm run deploy` or
// `npx serverless deploy`); and what it would leave behind. Plain CommonJS: it runs on whatever Node Serverless runs on.
'use strict';

const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { buildSync } = require('esbuild');
const { switchFault } = require('./given.cjs');

/**
 * Never in a package as they are: deployed stages hold references that CloudFormation resolves. What stands for each
 * while the rest of the configuration is checked.
 */
const SECRETS = {
  LOCAL_UUID: '00000000-0000-4000-8000-000000000000',
  REDIS_URL: 'https://redis.invalid',
  REDIS_TOKEN: 'unknown',
  SIGNING_KEY: '',
};
/** Files that only the functions have, such as those of a layer. */
const FILES = { REDIS_TLS_CERT: '', REDIS_TLS_KEY: '' };
const REFERENCE = /^\{\{resolve:[a-z-]+:[^{}]+\}\}$/;

const UNIT_MS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const INTERVALS = [
  {
    schedule: 'SYNC_SCHEDULE',
    interval: 'SYNC_INTERVAL_MS',
    defaultMs: 300_000,
    defaultRate: 'rate(5 minutes)',
  },
  {
    schedule: 'IP_CHECK_SCHEDULE',
    interval: 'IP_CHECK_INTERVAL_MS',
    defaultMs: 60_000,
    defaultRate: 'rate(1 minute)',
  },
];
/** What AWS takes: it would refuse anything else in the middle of a deploy, or, an alias, when the functions start. */
const FORMS = {
  KMS_KEY_ARN: [
    /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/,
    'the ARN of a key, arn:aws:kms:…:key/…, not of an alias',
  ],
  PERMISSIONS_BOUNDARY_ARN: [
    /^arn:aws[a-z-]*:iam::(\d{12}|aws):policy\/\S+$/,
    'the ARN of a policy, arn:aws:iam::…:policy/…',
  ],
  ALARM_EMAIL: [/^[^\s@,]+@[^\s@,]+$/, 'one mail address'],
  VPC_SUBNET_IDS: [
    /^subnet-[0-9a-z]+(,subnet-[0-9a-z]+)*$/,
    'a comma list without spaces, subnet-…,subnet-…',
  ],
  VPC_SECURITY_GROUP_IDS: [/^sg-[0-9a-z]+(,sg-[0-9a-z]+)*$/, 'a comma list without spaces, sg-…,sg-…'],
};

module.exports = class Guard {
  constructor(serverless, options) {
    const [command = ''] = serverless.processedInput.commands;
    // Asked for now: Serverless puts its own default into the options later.
    const region = options.region || options.r || process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION;
    const check = (faultOf) => () => {
      const stage = serverless.getProvider('aws').getStage();
      const fault = faultOf({ stage, command, region, service: serverless.service });
      if (fault !== undefined) throw new serverless.classes.Error(fault, 'P2P_REFUSED');
    };
    this.hooks = {
      initialize: check(switchFault),
      'before:package:cleanup': () => {
        check(packageFault)();
        useOwnTemporaryFolder();
        removeBuildFolder(serverless);
      },
      // A package that was made before, by `--package`, comes here only.
      'before:deploy:deploy': check(packageFault),
      'before:remove:remove': check(stackFault),
      'before:rollback:initialize': check(stackFault),
      'before:deploy:function:initialize': check(functionFault),
    };
  }
};

/** @returns why this service must not be packaged or deployed as it is configured, or undefined. */
function packageFault({ stage, command, region, service: { provider, functions } }) {
  const fault = command === 'package' ? stageFault(stage) : stackFault({ stage, region });
  if (fault !== undefined) return fault;
  const environments = Object.values(functions).map(({ environment }) => ({
    ...provider.environment,
    ...environment,
  }));
  const exposed = Object.keys(SECRETS).filter((name) =>
    environments.some((environment) => environment[name] != null && !REFERENCE.test(environment[name])),
  );
  if (exposed.length > 0) {
    return `${exposed.join(', ')} would be in the package as it is. Put it into the secret p2p/${stage} of AWS Secrets Manager (docs/DEPLOYING.md), and give no --param for it.`;
  }
  return (
    formFault(process.env) ??
    environments.map(configFault).find((each) => each !== undefined) ??
    INTERVALS.map(intervalFault).find((each) => each !== undefined)
  );
}

/** What a function with this environment would refuse in every run, in the words of its own check. */
function configFault(environment) {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== null));
  try {
    loadConfig({ ...set, ...SECRETS, ...FILES });
  } catch (error) {
    return error.message;
  }
}

let config;
/** lib/config.ts, bundled in memory: Serverless may run on a Node that knows no TypeScript. */
function loadConfig(environment) {
  if (config === undefined) {
    const { outputFiles } = buildSync({
      entryPoints: [path.join(__dirname, '../lib/config.ts')],
      bundle: true,
      platform: 'node',
      format: 'cjs',
      write: false,
    });
    config = { exports: {} };
    new Function('module', 'require', outputFiles[0].text)(config, require);
  }
  return config.exports.loadConfig(environment);
}

/** @returns why no stack of this stage may be touched, or undefined. */
function stackFault({ stage, region }) {
  const fault = stageFault(stage);
  if (fault !== undefined) return fault;
  if (region) return undefined;
  return 'Which region? Serverless does not read it from an AWS profile and would take us-east-1. Give --region, or export AWS_REGION.';
}

function stageFault(stage) {
  if (stage !== 'local') return undefined;
  return 'The stage "local" is for this machine: packaged, it would hold the secrets of its environment. Give another --stage, for example --stage prod.';
}

function functionFault() {
  return '"deploy function" writes the environment past CloudFormation, so that the references to the secret stay unresolved and the function stops. Use "deploy": it takes an unchanged stack as it is.';
}

function formFault(env) {
  const isRequired = (name) => env.VPC_MODE === 'private' && name.startsWith('VPC_');
  const found = Object.entries(FORMS).find(
    ([name, [form]]) => (env[name] || isRequired(name)) && !form.test(env[name]),
  );
  if (found === undefined) return undefined;
  const [name, [, expected]] = found;
  return `${name} must be ${expected}${isRequired(name) ? '; VPC_MODE=private needs it' : ''}.`;
}

/** Due times and backoff are computed from the interval, so a schedule with another period makes them wrong. */
function intervalFault({ schedule, interval, defaultMs, defaultRate }) {
  const expression = process.env[schedule] || defaultRate;
  const rate = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression);
  if (rate === null) return undefined;
  const periodMs = Number(rate[1]) * UNIT_MS[rate[2]];
  if (periodMs === Number(process.env[interval] || defaultMs)) return undefined;
  return `${schedule}=${expression} needs ${interval}=${periodMs}.`;
}

/** What an earlier build left. Never anything but a folder in `.esbuild`, whatever the configuration names. */
function removeBuildFolder({ serviceDir, service, classes }) {
  const folder = path.resolve(serviceDir, service.custom.esbuild.outputWorkFolder);
  if (path.dirname(folder) !== path.join(serviceDir, '.esbuild')) {
    throw new classes.Error(
      'ESBUILD_FOLDER must name a folder in .esbuild, like .esbuild/prod.',
      'P2P_REFUSED',
    );
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Packaging leaves a folder in the temporary directory. This process gets one of its own, which goes when it ends. */
function useOwnTemporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'p2p-serverless-'));
  process.env.TMPDIR = folder;
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
}
