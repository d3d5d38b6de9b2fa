import assert from 'node:assert/strict';
import { chmodSync, closeSync, fstatSync, openSync, watch, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createSupervisor, isJournal } from '../../../host/systemd.ts';
import { temporaryFolder } from '../../support/owner.ts';

const TIMEOUT = { timeout: 30_000 };

/** A folder with a `systemd-notify` that writes down how it was called, and its environment. It fails `failures` times first. */
function fakeNotify(t: TestContext, failures = 0) {
  const folder = temporaryFolder(t);
  const out = join(folder, 'out');
  writeFileSync(out, '');
  const command = join(folder, 'systemd-notify');
  const end = failures === 0 ? 'exit 0' : `[ $(grep -vc '^env ' ${out}) -gt ${failures} ]`;
  writeFileSync(
    command,
    `#!/bin/sh\n{ echo "$NOTIFY_SOCKET $*"; env | sed 's/^/env /'; } >> ${out}\n${end}\n`,
  );
  chmodSync(command, 0o755);
  const calls = async () =>
    (await readFile(out, 'utf8')).split('\n').filter((line) => line !== '' && !line.startsWith('env '));
  return {
    path: `${folder}:/usr/bin:/bin`,
    text: () => readFile(out, 'utf8'),
    /** Resolves when it was called so often. */
    async calls(count: number): Promise<string[]> {
      for await (const _ of changes(folder)) {
        const found = await calls();
        if (found.length >= count) return found;
      }
      return assert.fail('the folder is watched no more');
    },
  };
}

/** Once now, and then each time something in the folder has changed. */
async function* changes(folder: string): AsyncGenerator<void> {
  let changed = Promise.withResolvers<void>();
  const watcher = watch(folder, () => changed.resolve());
  try {
    for (;;) {
      yield;
      await changed.promise;
      changed = Promise.withResolvers<void>();
    }
  } finally {
    watcher.close();
  }
}

const noFailure = (reason: string) => assert.fail(reason);

describe('systemd', TIMEOUT, () => {
  test('is told that the service is ready, by a process that knows no secret', async (t) => {
    const notify = fakeNotify(t);
    const env = { NOTIFY_SOCKET: '/run/n', PATH: notify.path, REDIS_TOKEN: 'planted-token-1f0a' };
    createSupervisor(env, noFailure).notify({ ready: true, status: 'Running' });
    assert.deepEqual(await notify.calls(1), ['/run/n --ready --status=Running']);
    assert.doesNotMatch(await notify.text(), /planted-token/);
  });

  test('is told that the service is alive as long as it is well', async (t) => {
    const notify = fakeNotify(t);
    const env = { NOTIFY_SOCKET: '/run/n', PATH: notify.path, WATCHDOG_USEC: '300000000' };
    const ending = new AbortController();
    const well = [true, false, true];
    const slept: number[] = [];
    await createSupervisor(env, noFailure).keepAlive(
      () => well.shift() ?? false,
      {
        sleep: async (ms) => {
          slept.push(ms);
          if (well.length === 0) ending.abort();
        },
      },
      ending.signal,
    );
    assert.deepEqual(slept, [150_000, 150_000, 150_000], 'half of what systemd allows');
    assert.deepEqual(await notify.calls(2), ['/run/n WATCHDOG=1', '/run/n WATCHDOG=1']);
  });

  test('is left alone where it has not started this process, or watches another', async (t) => {
    const notify = fakeNotify(t);
    const never = () => assert.fail('nothing to keep alive');
    for (const env of [
      { PATH: notify.path, WATCHDOG_USEC: '1000000' },
      { PATH: notify.path, NOTIFY_SOCKET: '/run/n' },
      { PATH: notify.path, NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '1000000', WATCHDOG_PID: '1' },
    ]) {
      await createSupervisor(env, noFailure).keepAlive(
        () => true,
        { sleep: never },
        new AbortController().signal,
      );
    }
    createSupervisor({ PATH: notify.path }, noFailure).notify({ ready: true, status: 'nobody asked' });
    const asked = createSupervisor({ PATH: notify.path, NOTIFY_SOCKET: '/run/n' }, noFailure);
    asked.notify({ status: 'Running' });
    assert.deepEqual(await notify.calls(1), ['/run/n --status=Running']);
  });

  test('that cannot be told is one warning, and is told again until it hears', async (t) => {
    const notify = fakeNotify(t, 3);
    const failures: string[] = [];
    const supervisor = createSupervisor(
      { NOTIFY_SOCKET: '/run/n', PATH: notify.path },
      (reason) => failures.push(reason),
      { retryMs: 10 },
    );
    supervisor.notify({ ready: true, status: 'Running' });
    const [first] = await notify.calls(4);
    assert.deepEqual(await notify.calls(4), Array(4).fill(first));
    assert.match(failures.join(), /^systemd-notify ended with exit code 1$/);
  });

  test('is told with the next message what an earlier one could not tell', async (t) => {
    const notify = fakeNotify(t, 1);
    const failed = Promise.withResolvers<string>();
    const supervisor = createSupervisor({ NOTIFY_SOCKET: '/run/n', PATH: notify.path }, failed.resolve);
    supervisor.notify({ ready: true, status: 'Running' });
    await failed.promise;
    supervisor.notify({ status: 'Redis is away' });
    assert.equal((await notify.calls(2))[1], '/run/n --ready --status=Redis is away');
  });

  test('that has no systemd-notify is one warning', async () => {
    const failed = Promise.withResolvers<string>();
    const supervisor = createSupervisor({ NOTIFY_SOCKET: '/run/n', PATH: '/nowhere' }, failed.resolve);
    supervisor.notify({ ready: true, status: 'Running' });
    assert.match(await failed.promise, /ENOENT/);
  });
});

test('the journal is known by its file, not by a variable that was inherited', (t) => {
  const folder = temporaryFolder(t);
  const descriptor = openSync(join(folder, 'journal'), 'w');
  t.after(() => closeSync(descriptor));
  const { dev, ino } = fstatSync(descriptor);
  assert.equal(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, descriptor), true);
  assert.equal(isJournal({}, descriptor), false);
  assert.equal(isJournal({ JOURNAL_STREAM: '8:1' }, descriptor), false);
});
