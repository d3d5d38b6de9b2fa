import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemHost } from '../../../lib/host.ts';
import { createPool as create, type PoolOptions } from '../../../lib/sync/pool.ts';
import { createMachine } from '../../support/clock.ts';

const createPool = (limit: number, gate: PoolOptions['gate'], over: Partial<PoolOptions> = {}) =>
  create({ limit, gate, everyMs: 0, host: systemHost, signal: new AbortController().signal, ...over });

test('jobs start in order, at most so many at a time, and all of them run', async () => {
  const pool = createPool(3, () => true);
  const started: number[] = [];
  let running = 0;
  let most = 0;
  const runs = Array.from({ length: 50 }, (_, i) =>
    pool.run(async () => {
      started.push(i);
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    }),
  );
  assert.deepEqual(
    await Promise.all(runs),
    Array.from({ length: 50 }, () => true),
  );
  assert.deepEqual(
    started,
    Array.from({ length: 50 }, (_, i) => i),
  );
  assert.equal(most, 3);
  assert.equal(running, 0);
});

test('jobs that can wait get one start in ten while others come, and the rest once all have come', async () => {
  const pool = createPool(2, () => true, { host: { ...systemHost, random: () => 0.99 } });
  const started: string[] = [];
  const job = (name: string) => async () => {
    started.push(name);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const add = (count: number, name: string, can?: 'wait') =>
    Array.from({ length: count }, () => pool.run(job(name), can));
  const patient = add(30, 'patient', 'wait');
  assert.deepEqual(started, ['patient'], 'one may start before anybody else has come');

  await Promise.all(add(50, 'other'));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(started.length, 50 + 6, 'the others wait for more to come');

  pool.othersHaveCome();
  await Promise.all(patient);
  assert.equal(started.length, 80);
  assert.deepEqual(await Promise.all(add(1, 'late', 'wait')), [true]);
});

test('those that can wait do not always come first: there may be time for one start only', async () => {
  const firsts = await Promise.all(
    Array.from({ length: 10 }, async (_, n) => {
      const pool = createPool(1, () => true, { host: { ...systemHost, random: () => n / 10 } });
      const started: string[] = [];
      const patient = pool.run(async () => void started.push('patient'), 'wait');
      await pool.run(async () => void started.push('other'));
      pool.othersHaveCome();
      await patient;
      return started[0];
    }),
  );
  assert.equal(firsts.filter((first) => first === 'patient').length, 1);
});

test('a job that can overtake starts before all that wait', async () => {
  const pool = createPool(1, () => true);
  const started: string[] = [];
  const run = (name: string, can?: 'overtake') => pool.run(async () => void started.push(name), can);
  await Promise.all([run('first'), run('second'), run('third'), run('again', 'overtake')]);
  assert.deepEqual(started, ['first', 'again', 'second', 'third']);
});

test('a closed gate sends away those that can wait too', async () => {
  const pool = createPool(1, () => false);
  const patient = Array.from({ length: 3 }, () =>
    pool.run(async () => assert.fail('it must not start'), 'wait'),
  );
  pool.othersHaveCome();
  assert.deepEqual(await Promise.all(patient), [false, false, false]);
});

test('what comes while others run, and after all have ended, runs too', async () => {
  const pool = createPool(1, () => true);
  let inner: Promise<boolean> | undefined;
  await pool.run(async () => {
    inner = pool.run(async () => {});
  });
  assert.equal(await inner, true);
  assert.equal(await pool.run(async () => {}), true);
});

test('a closed gate lets nothing start, and what runs ends', async () => {
  let open = true;
  const pool = createPool(1, async () => open);
  let ended = false;
  const first = pool.run(async () => {
    open = false;
    await new Promise((resolve) => setImmediate(resolve));
    ended = true;
  });
  const second = pool.run(async () => assert.fail('it must not start'));
  assert.deepEqual(await Promise.all([first, second]), [true, false]);
  assert.equal(ended, true);
});

test('a job that throws rejects its own run only', async () => {
  const pool = createPool(1, () => true);
  const bad = pool.run(async () => {
    throw new Error('boom');
  });
  const good = pool.run(async () => {});
  await assert.rejects(bad, /boom/);
  assert.equal(await good, true);
});

test('a gate that throws rejects the run that it was asked for, and no other', async () => {
  let asked = 0;
  const pool = createPool(1, () => {
    asked += 1;
    if (asked === 1) throw new Error('boom');
    return true;
  });
  const bad = pool.run(async () => assert.fail('it must not start'));
  const good = pool.run(async () => {});
  await assert.rejects(bad, /boom/);
  assert.equal(await good, true);
});

test('a job that has run is let go, although the pool is never idle', async () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const pool = createPool(1, () => true);
  const runs: Promise<boolean>[] = [];
  const refs: WeakRef<object>[] = [];
  let collected: boolean[] | undefined;
  const addJob = (left: number) => {
    const burden = { page: new Array(100).fill(left) };
    refs.push(new WeakRef(burden));
    runs.push(
      pool.run(async () => {
        if (left > 0) addJob(left - 1);
        await new Promise((resolve) => setImmediate(resolve));
        burden.page.fill(0);
        if (left > 0 || collected !== undefined) return;
        collect();
        collected = refs.slice(0, 10).map((ref) => ref.deref() === undefined);
      }),
    );
  };
  addJob(20);
  addJob(20);
  for (let done = 0; done < runs.length; done++) await runs[done];
  // A stack frame may still hold on to the first one.
  assert.deepEqual(collected?.slice(1), Array(9).fill(true));
});

test('with a pace, one job starts each so many milliseconds', async () => {
  const host = createMachine();
  const pool = createPool(1, () => true, { everyMs: 33, host });
  const startedMs: number[] = [];
  await Promise.all(Array.from({ length: 5 }, () => pool.run(async () => void startedMs.push(host.watchMs))));
  assert.deepEqual(startedMs, [0, 33, 66, 99, 132]);
});

test('a pool that is to slow down pauses for a second, and then runs half as many at a time', async () => {
  const host = createMachine();
  const pool = createPool(8, () => true, { host });
  let running = 0;
  let most = 0;
  const job = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
  };
  await Promise.all(Array.from({ length: 16 }, () => pool.run(job)));
  assert.equal(most, 8);
  pool.slowDown();
  pool.slowDown();
  most = 0;
  await Promise.all(Array.from({ length: 16 }, () => pool.run(job)));
  assert.equal(most, 4, 'many errors of one moment are one');
  assert.ok(host.watchMs >= 1_000);
});

test('once the round stops nobody waits for a turn any more', async () => {
  const stopping = new AbortController();
  stopping.abort();
  const pool = createPool(1, () => !stopping.signal.aborted, { everyMs: 60_000, signal: stopping.signal });
  assert.deepEqual(await Promise.all([pool.run(async () => {}), pool.run(async () => {})]), [false, false]);
});
