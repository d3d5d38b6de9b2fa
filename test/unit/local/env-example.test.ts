import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseEnv } from 'node:util';
import { HOST_DEFAULTS } from '../../../host/settings.ts';
import { loadConfig } from '../../../lib/config.ts';
import { LOCAL_DEFAULTS } from '../../../local/env.ts';

const read = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
const example = read('.env.example');
/** Every variable of the file, those that are commented out with their default. */
const variables = parseEnv(example.replace(/^#(?=[A-Z_]+=)/gm, ''));
const REQUIRED = {
  LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
  REDIS_URL: 'redis://127.0.0.1:6379',
};
const OTHER_DEFAULTS = { ...LOCAL_DEFAULTS, ...HOST_DEFAULTS };
/** Read by serverless.yml or lib/config.ts, but not meant for a user's .env. */
const NOT_FOR_USERS = [
  'AWS_LAMBDA_RUNTIME_API',
  'AWS_REGION',
  'ESBUILD_FOLDER',
  'LAMBDA_PORT',
  'UPSTASH_REDIS_REST_TOKEN',
  'UPSTASH_REDIS_REST_URL',
];

test('.env.example has every variable that the configuration, serverless.yml, the local stack or the host reads, and no other', () => {
  const configured = [...read('lib/config.ts').matchAll(/^ {4}([A-Z][A-Z_]+): /gm)].map(([, name]) => name);
  const deployed = [...read('serverless.yml').matchAll(/env:([A-Z_]+)/g)].map(([, name]) => name);
  assert.ok(configured.length > 20 && deployed.length > 20, 'the names were found');
  const expected = new Set([...configured, ...deployed, ...Object.keys(OTHER_DEFAULTS)]);
  for (const name of NOT_FOR_USERS) expected.delete(name);
  assert.deepEqual(Object.keys(variables).sort(), [...expected].sort());
});

test('the defaults in .env.example are those of the configuration', () => {
  assert.deepEqual(loadConfig({ ...variables, ...REQUIRED }), loadConfig(REQUIRED));
});

test('the defaults in .env.example are those of the local stack and the host', () => {
  for (const [name, value] of Object.entries(OTHER_DEFAULTS)) assert.equal(variables[name], value, name);
});

test('the defaults in .env.example are those of serverless.yml', () => {
  const defaults = read('serverless.yml').matchAll(/\$\{env:([A-Z_]+), '([^']*)'\}/g);
  const shown = [...defaults].filter(([, name]) => name !== undefined && name in variables);
  assert.ok(shown.length >= 4, 'defaults were found');
  for (const [, name = '', value] of shown) assert.equal(variables[name], value, name);
});

test('what is required is not commented out, so that a copy without it is refused', () => {
  assert.deepEqual(Object.keys(parseEnv(example)).sort(), ['LOCAL_UUID', 'REDIS_TOKEN', 'REDIS_URL']);
  assert.throws(() => loadConfig(parseEnv(example)), /LOCAL_UUID is required\n {2}- REDIS_URL is required/);
});

test('every variable has a comment above it', () => {
  const lines = example.split('\n');
  for (const name of Object.keys(variables)) {
    const at = lines.findIndex((line) => line.replace('#', '').startsWith(`${name}=`));
    const above = lines.slice(0, at).findLast((line) => !/^#?[A-Z_]+=/.test(line)) ?? '';
    assert.match(above, /^# \S/, name);
  }
});
