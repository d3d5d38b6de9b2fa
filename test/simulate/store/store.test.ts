import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineScript } from '../../../lib/redis/script.ts';
import { createSimulatedRedis } from './redis.ts';
import { createStore } from './store.ts';

test('a scan in pages meets once what is there all the while, whatever comes and goes', () => {
  const store = createStore(() => 0);
  const stay = Array.from({ length: 2_000 }, (_, n) => `stays ${n}`);
  const go = Array.from({ length: 1_000 }, (_, n) => `goes ${n}`);
  store.setFields(
    'h',
    [...stay, ...go].flatMap((name) => [name, '1']),
  );
  const met: string[] = [];
  let pages = 0;
  let cursor = '0';
  do {
    const page = store.scan('h', cursor, 500);
    met.push(...page.flat.filter((name, i) => i % 2 === 0 && name.startsWith('stays')));
    store.deleteFields('h', go.slice(100 * pages, 100 * pages + 100));
    store.setFields('h', [`comes ${pages}`, '1']);
    cursor = page.next;
    pages += 1;
  } while (cursor !== '0');
  assert.ok(pages >= 4, `${pages} pages`);
  assert.deepEqual(met.toSorted(), stay.toSorted());
});

test('what expires is gone when its time has come, and not before', () => {
  let nowMs = 1_000;
  const store = createStore(() => nowMs);
  store.set('lease', 'mine', { ttlMs: 100 });
  nowMs = 1_099;
  assert.equal(store.set('lease', 'another', { ttlMs: 100, onlyIfAbsent: true }), false);
  assert.equal(store.expire('lease', 50), true);
  nowMs = 1_149;
  assert.equal(store.get('lease'), undefined);
  assert.equal(store.expire('lease', 50), false);
  assert.equal(store.set('lease', 'another', { onlyIfAbsent: true }), true);
});

test('a command, a form of one or a script that it does not know fails the run', async () => {
  const redis = createSimulatedRedis(
    createStore(() => 0),
    () => 0,
  );
  const options = { repeatable: true };
  await assert.rejects(redis.send([['HGETALL', 'h']], options), /does not know this form of HGETALL/);
  await assert.rejects(redis.send([['SET', 'k', 'v', 'PX', 1]], options), /SET/);
  const script = defineScript('new-one', 'return 1');
  await assert.rejects(redis.send([{ script, keys: [], args: [] }], options), /the script new-one/);
});
