import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { BUNDLE, NODE_OPTION } from '../../../host/bundle.ts';
import { EXIT } from '../../../host/main.ts';
import { needsTool } from '../../support/needs-tool.ts';
import { temporaryFolder } from '../../support/owner.ts';

const read = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
const unit = read('host/p2p-scheduler.service');

/** In tenths: 0 is a sandbox without any door, 100 a service without a sandbox. */
const MOST_EXPOSURE = 20;

/** The unit as a file, with a Node that is on this machine: `verify` looks whether the program is there. */
function unitFile(t: TestContext): string {
  const folder = temporaryFolder(t);
  const file = join(folder, 'p2p-scheduler.service');
  writeFileSync(file, unit.replace('ExecStart=/usr/bin/node', `ExecStart=${process.execPath}`));
  return file;
}

function analyze(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  return stdout + stderr;
}

describe('the systemd unit', () => {
  test('has no fault that systemd finds', needsTool('systemd-analyze', 'systemd'), (t) => {
    assert.equal(analyze('verify', '--man=no', unitFile(t)), '');
  });

  test('leaves the service few doors', needsTool('systemd-analyze', 'systemd'), (t) => {
    analyze('security', '--offline=true', `--threshold=${MOST_EXPOSURE}`, unitFile(t));
  });

  test('starts what is built, and not again what is misconfigured', () => {
    const file = BUNDLE.split('/').at(-1);
    assert.match(
      unit,
      new RegExp(`^ExecStart=/usr/bin/node ${NODE_OPTION} /opt/p2p-scheduler/${file} host$`, 'm'),
    );
    assert.match(unit, new RegExp(`^RestartPreventExitStatus=${EXIT.misconfigured}$`, 'm'));
  });

  test('lets the compiler of V8 work, and systemd-notify report', () => {
    assert.doesNotMatch(unit, /^MemoryDenyWriteExecute=yes/m);
    assert.match(unit, /^Type=notify\nNotifyAccess=all$/m);
  });
});

test('the Containerfile takes what is built and runs it', () => {
  const containerfile = read('Containerfile');
  assert.match(containerfile, new RegExp(`^COPY .*${BUNDLE} `, 'm'));
  assert.match(containerfile, new RegExp(`^ENTRYPOINT \\["node", "${NODE_OPTION}", "--", "/app/`, 'm'));
  assert.match(containerfile, /^CMD \["host"\]$/m);
});
