import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseEnv } from 'node:util';
import { loadConfig } from '../../lib/config.ts';
import { describeVariable, type VariableName, variableNames } from '../../lib/variables.ts';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const REQUIRED = {
  LOCAL_UUID: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
  REDIS_URL: 'redis://127.0.0.1:6379',
};
const readBy = (...readers: string[]) =>
  variableNames().filter((name) => readers.includes(describeVariable(name).readBy));

describe('.env.example', () => {
  const example = read('.env.example');
  /** Every variable of the file, those that are commented out with their default. */
  const shown = parseEnv(example.replace(/^#(?=[A-Z_]+=)/gm, ''));
  /** Shown with the value that follows from the others. */
  const DERIVED: Partial<Record<VariableName, string>> = { IP_QUORUM: '2' };

  test('has every variable of the table with its default, and no other', () => {
    assert.deepEqual(
      shown,
      Object.fromEntries(
        variableNames().map((name) => [name, DERIVED[name] ?? describeVariable(name).fallback]),
      ),
    );
  });

  test('configures nothing beyond the defaults', () => {
    assert.deepEqual(loadConfig({ ...shown, ...REQUIRED }), loadConfig(REQUIRED));
  });

  test('shows what is required without a comment sign, so that a copy without it is refused', () => {
    assert.deepEqual(Object.keys(parseEnv(example)).sort(), ['LOCAL_UUID', 'REDIS_TOKEN', 'REDIS_URL']);
    assert.throws(
      () => loadConfig(parseEnv(example)),
      /LOCAL_UUID is required: .+\n {2}- REDIS_URL is required: /,
    );
  });

  test('has a comment above every variable', () => {
    const lines = example.split('\n');
    for (const name of variableNames()) {
      const at = lines.findIndex((line) => line.replace('#', '').startsWith(`${name}=`));
      const above = lines.slice(0, at).findLast((line) => !/^#?[A-Z_]+=/.test(line)) ?? '';
      assert.match(above, /^# \S/, name);
    }
  });
});

describe("the README's tables", () => {
  const rows = new Map(
    [...read('README.md').matchAll(/^\| `([A-Z_]+)` \| (.+) \| (.+) \|$/gm)].map(([, name, ...cells]) => [
      name,
      cells,
    ]),
  );

  for (const name of readBy('jobs', 'host', 'template')) {
    test(`have ${name} with its default and meaning`, () => {
      const { required, fallback, meaning } = describeVariable(name);
      const shown =
        name === 'IP_SOURCES' ? 'five echo services' : fallback === '' ? 'empty' : `\`${fallback}\``;
      assert.deepEqual(rows.get(name), [required ? 'required' : shown, meaning]);
    });
  }

  test('have no other variable', () => {
    assert.deepEqual([...rows.keys()].sort(), readBy('jobs', 'host', 'template').sort());
  });
});

describe('serverless.yml', () => {
  const template = ['serverless.yml', 'aws/alarms.yml', 'aws/dashboard.yml'].map(read).join('\n');
  const used = new Set(
    [...template.matchAll(/\b(?:env|given\.cjs\)):([A-Z_]+)/g)].map(([, name = '']) => name),
  );
  /** Set by the local stack, by AWS's tools, or by Upstash. */
  const FOREIGN = [
    'AWS_DEFAULT_REGION',
    'AWS_REGION',
    'ESBUILD_FOLDER',
    'READ_DOTENV',
    'UPSTASH_REDIS_REST_TOKEN',
    'UPSTASH_REDIS_REST_URL',
  ];

  test('reads no variable that the table does not have', () => {
    const names: readonly string[] = [...variableNames(), ...FOREIGN];
    assert.deepEqual(
      [...used].filter((name) => !names.includes(name)),
      [],
    );
  });

  test('gives the functions every variable that the jobs read', () => {
    const [, environment = ''] = /\n {2}environment:\n((?: {4}.*\n)+)/.exec(template) ?? [];
    const given = new Set([...environment.matchAll(/^ {4}([A-Z_]+):/gm)].map(([, name]) => name));
    assert.deepEqual(
      readBy('jobs').filter((name) => !given.has(name)),
      [],
    );
  });

  test('has the defaults of the table', () => {
    const defaults = [...template.matchAll(/\b(?:env|given\.cjs\)):([A-Z_]+), '([^']+)'\}/g)];
    const known = defaults.flatMap(([, name = '', value]) =>
      variableNames()
        .filter((variable) => variable === name)
        .map((variable) => ({ variable, value })),
    );
    assert.ok(known.length >= 8, 'defaults were found');
    for (const { variable, value } of known)
      assert.equal(describeVariable(variable).fallback, value, variable);
  });
});
