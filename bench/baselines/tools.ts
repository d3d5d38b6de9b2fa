import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTool } from '../find-tool.ts';
import type { Lab } from '../lab.ts';
import type { Run } from '../measure.ts';
import { ipOf } from '../world.ts';
import type { LoopParams } from './loop.ts';

/** A foreign program that makes the same calls, or why there is none. */
export type Tool = { readonly name: string; run(): Promise<Run> } | { readonly missing: string };

/** curl allows no more with `--parallel-max`. */
const CURL_MAX_PARALLEL = 300;

/** `curl --parallel` over the same addresses, from a config file. */
export async function prepareCurl(lab: Lab, params: LoopParams): Promise<Tool> {
  const curl = await findTool('curl');
  if (curl === undefined) return { missing: 'curl is not installed' };
  const { folder, file } = await writeTemporary(
    'curl.config',
    [
      'silent',
      'parallel',
      'parallel-immediate',
      `parallel-max = ${Math.min(params.concurrency, CURL_MAX_PARALLEL)}`,
      'fail',
      'header = "content-type: application/json"',
      'header = "connection: close"',
      `data-binary = ${JSON.stringify(params.body)}`,
      ...Array.from(
        { length: params.count },
        (_, index) =>
          `url = "http://${ipOf(params.first + index)}:${params.port}${params.path}"\noutput = "/dev/null"`,
      ),
    ].join('\n'),
  );
  lab.defer(() => rm(folder, { recursive: true, force: true }));
  return { name: 'curl --parallel', run: () => timed(lab, curl, ['--disable', '--config', file]) };
}

/**
 * `ab`, or else `wrk`, without keep-alive and against one address: about the most that this machine's network stack and
 * the peers' process bear. Both are C programs that do nothing with what they receive.
 */
export async function prepareCeiling(lab: Lab, params: LoopParams): Promise<Tool> {
  const url = `http://127.0.0.1:${params.port}${params.path}`;
  const [ab, wrk] = await Promise.all([findTool('ab'), findTool('wrk')]);
  if (ab !== undefined) {
    const { folder, file } = await writeTemporary('body.json', params.body);
    lab.defer(() => rm(folder, { recursive: true, force: true }));
    const options = [
      '-q',
      '-n',
      params.count,
      '-c',
      params.concurrency,
      '-p',
      file,
      '-T',
      'application/json',
    ];
    return { name: 'ab', run: () => timed(lab, ab, [...options.map(String), url]) };
  }
  if (wrk !== undefined) {
    const { folder, file } = await writeTemporary(
      'post.lua',
      `wrk.method = "POST"\nwrk.body = ${JSON.stringify(params.body)}\nwrk.headers["Content-Type"] = "application/json"\nwrk.headers["Connection"] = "close"\n`,
    );
    lab.defer(() => rm(folder, { recursive: true, force: true }));
    const options = ['-t', '1', '-c', String(params.concurrency), '-d', '2s', '-s', file, url];
    return { name: 'wrk', run: () => countedByWrk(lab, wrk, options, params.count) };
  }
  return { missing: 'neither ab nor wrk is installed' };
}

/** wrk runs for a time, not for a number of calls: the time that it would have taken for `count`. */
async function countedByWrk(lab: Lab, wrk: string, options: string[], count: number): Promise<Run> {
  const { stdout } = await execute(lab, wrk, options);
  const perSecond = Number(/Requests\/sec: *([\d.]+)/.exec(stdout)?.[1]);
  if (!(perSecond > 0)) throw new Error('wrk counted no requests');
  return { ms: (count / perSecond) * 1_000, facts: {} };
}

async function timed(lab: Lab, command: string, args: readonly string[]): Promise<Run> {
  const startedAt = performance.now();
  await execute(lab, command, args);
  return { ms: performance.now() - startedAt, facts: {} };
}

async function execute(lab: Lab, command: string, args: readonly string[]): Promise<{ stdout: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-2_000);
  });
  const closed = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  lab.defer(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await closed;
  });
  const code = await closed;
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr.trim()}`);
  return { stdout };
}

async function writeTemporary(name: string, content: string): Promise<{ folder: string; file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-bench-'));
  const file = join(folder, name);
  await writeFile(file, content);
  return { folder, file };
}
