import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Child, startChild } from '../../../local/children.ts';
import { createFeed } from '../../support/feed.ts';
import { temporaryFolder } from '../../support/owner.ts';
import { processGone } from '../../support/processes.ts';

function run(t: TestContext, source: string): { child: Child; line: (start: string) => Promise<string> } {
  const folder = temporaryFolder(t);
  const script = join(folder, 'child.mjs');
  writeFileSync(script, source);
  const lines = createFeed<string>();
  const child = startChild({
    script,
    env: process.env,
    cwd: folder,
    onLine: lines.push,
  });
  t.after(() => child.kill());
  const line = async (start: string) =>
    (await lines.first((candidate) => candidate.startsWith(start))).slice(start.length);
  return { child, line };
}

test('a child that ends in order is waited for', { timeout: 30_000 }, async (t) => {
  const { child, line } = run(
    t,
    `process.on('SIGTERM', () => { console.log('bye'); process.exit(7); }); setInterval(() => {}, 1e6); console.log('up');`,
  );
  await line('up');
  await child.stop();
  await line('bye');
  assert.deepEqual(await child.exited, { code: 7, signal: null });
});

test('a child that ignores SIGTERM, and what it started, is killed', { timeout: 30_000 }, async (t) => {
  const { child, line } = run(
    t,
    `import { spawn } from 'node:child_process';
     process.on('SIGTERM', () => {});
     const grandchild = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); console.log("up"); setInterval(() => {}, 1e6)'], { stdio: ['ignore', 'pipe', 'inherit'] });
     grandchild.stdout.once('data', () => console.log('grandchild ' + grandchild.pid));`,
  );
  const grandchild = Number(await line('grandchild '));
  await child.stop(50);
  assert.equal((await child.exited).signal, 'SIGKILL');
  await processGone(grandchild);
});

test('a child ends when the process that started it is killed', { timeout: 30_000 }, async (t) => {
  const children = new URL('../../../local/children.ts', import.meta.url).href;
  const { child, line } = run(
    t,
    `import { startChild } from ${JSON.stringify(children)};
     import { writeFileSync } from 'node:fs';
     writeFileSync('inner.mjs', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6); console.log("inner")');
     const inner = startChild({ script: 'inner.mjs', env: process.env, cwd: '.', onLine: () => console.log('inner ' + inner.pid) });`,
  );
  const inner = Number(await line('inner '));
  process.kill(child.pid, 'SIGKILL');
  await processGone(inner);
});
