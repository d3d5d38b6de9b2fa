import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { readZip } from './zip.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = ['functions', 'lib', 'local', 'serverless.yml', 'package.json', 'tsconfig.json'];

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

export interface Resource {
  readonly Type: string;
  readonly Properties: JsonObject;
}

export interface PackagedService {
  readonly template: {
    readonly Resources: Readonly<Record<string, Resource>>;
    readonly Conditions: JsonObject;
    readonly Outputs: JsonObject;
  };
  /** The files of the deployable archive. */
  readonly code: ReadonlyMap<string, Buffer>;
  /** Every file that packaging wrote, the archive's own files included. */
  readonly everything: ReadonlyMap<string, Buffer>;
  /** Where the archive is unpacked: as in `/var/task`, no `node_modules` is above it. */
  readonly folder: string;
  /** What packaging left in the temporary directory and in the build folder. */
  readonly leftovers: readonly string[];
}

interface Owner {
  after(end: () => Promise<void>): void;
}

/** Copies what makes the service into a folder of its own, so that nothing in the checkout is touched or picked up. */
export async function copyService(t: Owner): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'p2p-service-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await Promise.all(
    SOURCES.map((source) => cp(path.join(ROOT, source), path.join(folder, source), { recursive: true })),
  );
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  return folder;
}

/** An environment without AWS credentials or anything else of this machine but where its programs are. */
export function bareEnv(folder: string, env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: folder, ...env };
}

/** Runs `npm run package` as npm would, and answers how it ended. */
export async function runPackage(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, ['local/aws.ts', 'package', ...args], {
    cwd: folder,
    env: bareEnv(folder, env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, output: out + err };
}

/** Packages the service as `npm run package -- --stage <stage>` does, with `env` as the only configuration. */
export async function packageService(
  t: Owner,
  stage: string,
  env: Readonly<Record<string, string>> = {},
): Promise<PackagedService> {
  const service = await copyService(t);
  const temp = path.join(service, 'tmp');
  await mkdir(temp);
  const { code: exit, output } = await runPackage(service, ['--stage', stage], { ...env, TMPDIR: temp });
  if (exit !== 0) throw new Error(`Packaging failed with exit code ${exit}:\n${output}`);

  const written = path.join(service, '.serverless');
  const everything = new Map<string, Buffer>();
  for (const name of await readdir(written)) everything.set(name, await readFile(path.join(written, name)));

  const code = readZip(fileOf(everything, 'p2p-consumer-scheduler.zip'));
  const folder = await mkdtemp(path.join(tmpdir(), 'p2p-task-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of code) {
    everything.set(`zip:${name}`, content);
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
  const template = JSON.parse(String(fileOf(everything, 'cloudformation-template-update-stack.json')));
  const leftovers = [...(await readdir(temp)), ...(await readdir(path.join(service, '.esbuild')))];
  return { template, code, everything, folder, leftovers };
}

function fileOf(files: ReadonlyMap<string, Buffer>, name: string): Buffer {
  const file = files.get(name);
  if (file === undefined) throw new Error(`Packaging wrote no ${name}, only ${[...files.keys()].join(', ')}`);
  return file;
}

/**
 * What CloudFormation would make of a value where the condition `InVpc` is as given: `Fn::If` decided, what is
 * `AWS::NoValue` gone. References stay as they are.
 */
export function resolve(value: Json, inVpc: boolean): Json {
  if (Array.isArray(value)) {
    return value.map((entry: Json) => resolve(entry, inVpc)).filter((entry) => !isNoValue(entry));
  }
  if (typeof value !== 'object' || value === null) return value;
  const choice = 'Fn::If' in value ? value['Fn::If'] : undefined;
  if (Array.isArray(choice)) {
    const [condition, yes, no] = choice;
    if (condition !== 'InVpc') throw new Error(`An unknown condition: ${JSON.stringify(condition)}`);
    return resolve(inVpc ? yes : no, inVpc);
  }
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, entry]): [string, Json] => [name, resolve(entry, inVpc)])
      .filter(([, entry]) => !isNoValue(entry)),
  );
}

function isNoValue(value: Json): boolean {
  return typeof value === 'object' && value !== null && 'Ref' in value && value.Ref === 'AWS::NoValue';
}
