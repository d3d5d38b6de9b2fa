import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { type Owner, temporaryFolder } from './owner.ts';
import { programEnv, ROOT } from './processes.ts';
import { applyConditions, type RawTemplate, type Template } from './template.ts';
import { readZip } from './zip.ts';

const SOURCES = ['aws', 'functions', 'lib', 'local', 'serverless.yml', 'package.json', 'tsconfig.json'];

export interface PackagedService {
  /** As CloudFormation sees it: every condition decided. */
  readonly template: Template;
  /** The template's text, as it is uploaded. */
  readonly templateText: string;
  /** The files of the deployable archive. */
  readonly code: ReadonlyMap<string, Buffer>;
  /** Every file that packaging wrote, the archive's own files included. */
  readonly everything: ReadonlyMap<string, Buffer>;
  /** Where the archive is unpacked: as in `/var/task`, no `node_modules` is above it. */
  readonly folder: string;
  /** What packaging left in the temporary directory and in the build folder. */
  readonly leftovers: readonly string[];
}

/** Copies what makes the service into a folder of its own, so that nothing in the checkout is touched or picked up. */
export async function copyService(t: Owner): Promise<string> {
  const folder = temporaryFolder(t);
  await Promise.all(
    SOURCES.map((source) => cp(path.join(ROOT, source), path.join(folder, source), { recursive: true })),
  );
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  return folder;
}

/** Runs `npx serverless` with these arguments, and answers how it ended. */
export async function runServerless(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, ['node_modules/serverless/bin/serverless.js', ...args], {
    cwd: folder,
    env: programEnv({ HOME: folder, ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, output: out + err };
}

/** Packages the service as `npx serverless package --stage <stage>` does, with `env` as the only configuration. */
export async function packageService(
  t: Owner,
  stage: string,
  env: Readonly<Record<string, string>> = {},
): Promise<PackagedService> {
  const service = await copyService(t);
  const temp = path.join(service, 'tmp');
  await mkdir(temp);
  const { code: exit, output } = await runServerless(service, ['package', '--stage', stage], {
    ...env,
    TMPDIR: temp,
  });
  if (exit !== 0) throw new Error(`Packaging failed with exit code ${exit}:\n${output}`);

  const written = path.join(service, '.serverless');
  const everything = new Map<string, Buffer>();
  for (const name of await readdir(written)) everything.set(name, await readFile(path.join(written, name)));

  const code = readZip(fileOf(everything, 'p2p-consumer-scheduler.zip'));
  const folder = temporaryFolder(t);
  for (const [name, content] of code) {
    everything.set(`zip:${name}`, content);
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
  const templateText = String(fileOf(everything, 'cloudformation-template-update-stack.json'));
  const raw: RawTemplate = JSON.parse(templateText);
  const leftovers = [...(await readdir(temp)), ...(await readdir(path.join(service, '.esbuild')))];
  return { template: applyConditions(raw), templateText, code, everything, folder, leftovers };
}

function fileOf(files: ReadonlyMap<string, Buffer>, name: string): Buffer {
  const file = files.get(name);
  if (file === undefined) throw new Error(`Packaging wrote no ${name}, only ${[...files.keys()].join(', ')}`);
  return file;
}
