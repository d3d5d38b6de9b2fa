import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../support/processes.ts';

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const manifest = JSON.parse(read('package.json'));
const lock = JSON.parse(read('package-lock.json'));
const names = (field: string) => Object.keys(manifest[field] ?? {});
const declared = ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap(names);

/** Run by name or by npm, and imported by nothing. */
const TOOLS = [
  'typescript',
  '@biomejs/biome',
  '@types/node',
  'serverless',
  'serverless-esbuild',
  'serverless-offline',
  'node',
];

/** The packages that the sources under a folder import. */
function imports(folder: string): Set<string> {
  const files = readdirSync(ROOT, { withFileTypes: true }).some((entry) => entry.name === folder)
    ? readdirSync(join(ROOT, folder), { recursive: true }).map(String)
    : [];
  const found = files
    .filter((file) => /\.(ts|cjs|js)$/.test(file))
    .flatMap((file) => [
      ...read(join(folder, file)).matchAll(
        /(?:^import |^\} |\bfrom |import\(|require\()['"]([^'".][^'"]*)['"]/gm,
      ),
    ])
    .map(([, specifier = '']) =>
      specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/'),
    );
  return new Set(found.filter((name) => !name.startsWith('node:') && !builtinModules.includes(name)));
}

const of = (...folders: string[]) => new Set(folders.flatMap((folder) => [...imports(folder)]));
const scheduler = of('lib', 'functions');
const hosts = of('host', 'cli', 'report', 'page', 'kit');
const development = of('local', 'test', 'bench');

test('install scripts run by name only, and no package has come that wants one', () => {
  assert.deepEqual(manifest.allowScripts, { node: true });
  const wanting = Object.entries<{ hasInstallScript?: boolean }>(lock.packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  const known = ['@parcel/watcher', 'es5-ext', 'esbuild', 'node'];
  assert.deepEqual(
    [...new Set(wanting)].filter((name) => !known.includes(name)),
    [],
  );
});

test('no dependency is declared that nothing needs', () => {
  for (const name of names('dependencies'))
    assert.ok(scheduler.has(name) || hosts.has(name), `${name} is imported at run time`);
  for (const name of names('devDependencies')) {
    const imported = name.replace('@types/', '');
    const needed = [scheduler, hosts, development].some((found) => found.has(imported));
    assert.ok(needed || TOOLS.includes(name), `${name} is imported, or a tool`);
  }
});

test('the scheduler imports nothing but declared dependencies, and the SDK that the runtime ships', () => {
  const allowed = [...names('dependencies'), '@aws-sdk/client-lambda', 'aws-lambda'];
  assert.deepEqual(
    [...scheduler].filter((name) => !allowed.includes(name)),
    [],
  );
});

test('SECURITY.md says what each dependency is for', () => {
  const text = read('SECURITY.md');
  for (const name of declared) assert.ok(text.includes(`\`${name}\``), name);
});

test('every package comes from the registry, with its hash', () => {
  for (const [path, entry] of Object.entries<{ resolved?: string; integrity?: string; link?: boolean }>(
    lock.packages,
  )) {
    if (path === '') continue;
    assert.ok(entry.link !== true && entry.integrity?.startsWith('sha512-'), path);
  }
});
