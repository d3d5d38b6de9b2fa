import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Source, Vote, VoteError } from '../../../lib/ip/vote.ts';
import { parseIp } from '../../../lib/peers/ip-space.ts';
import { createOutageCheck, isSuspicious } from '../../../lib/sync/outage.ts';

const { signal } = new AbortController();

function source(answer: VoteError | 'ip', kind: Source['kind'] = 'http') {
  const ip = parseIp('8.8.8.8');
  const made = {
    id: 's',
    operator: 's',
    kind,
    asked: 0,
    async ask(): Promise<Vote> {
      made.asked += 1;
      return answer === 'ip' && ip !== undefined
        ? { source: 's', operator: 's', kind: 'ip', ip }
        : { source: 's', operator: 's', kind: 'unknown', error: answer === 'ip' ? 'unreachable' : answer };
    },
  };
  return made;
}

function clock() {
  let ms = 0;
  return {
    monotonicMs: () => ms,
    advance: (by: number) => {
      ms += by;
    },
  };
}

test('a page is suspicious only if all its probes failed and nothing has succeeded for two pages', () => {
  const page = { succeeded: 0, failed: 3, lastSuccessMs: 5, beforeLastBeganMs: 10 };
  assert.equal(isSuspicious(page), true);
  assert.equal(isSuspicious({ ...page, succeeded: 1 }), false);
  assert.equal(isSuspicious({ ...page, failed: 0 }), false);
  assert.equal(isSuspicious({ ...page, lastSuccessMs: 10 }), false);
  assert.equal(
    isSuspicious({ ...page, lastSuccessMs: Number.NEGATIVE_INFINITY, beforeLastBeganMs: 0 }),
    true,
  );
});

test('it is our outage if no source answers', async () => {
  const down = [source('timeout'), source('unreachable'), source('tls')];
  assert.equal(await createOutageCheck(down, clock()).isOurs(signal), true);
  assert.equal(await createOutageCheck([...down, source('ip')], clock()).isOurs(signal), false);
});

test('a source that answers nonsense has answered', async () => {
  for (const error of ['status', 'not-an-ip', 'not-public', 'oversized', 'wrong-family'] as const) {
    assert.equal(await createOutageCheck([source(error)], clock()).isOurs(signal), false);
  }
});

test('without a service to ask the failures count, and nobody is asked', async () => {
  const others = [source('ip', 'dns'), source('ip', 'static')];
  assert.equal(await createOutageCheck([], clock()).isOurs(signal), false);
  assert.equal(await createOutageCheck(others, clock()).isOurs(signal), false);
  assert.deepEqual(
    others.map(({ asked }) => asked),
    [0, 0],
  );
});

test('an answer is used for 30 s', async () => {
  const down = source('timeout');
  const time = clock();
  const check = createOutageCheck([down], time);
  await check.isOurs(signal);
  time.advance(30_000);
  assert.equal(await check.isOurs(signal), true);
  assert.equal(down.asked, 1);
  time.advance(1);
  await check.isOurs(signal);
  assert.equal(down.asked, 2);
});

test('the first answer ends the other questions', async () => {
  let ended = false;
  const slow: Source = {
    id: 'slow',
    operator: 'slow',
    kind: 'http',
    ask: (given) =>
      new Promise((resolve) => {
        given?.addEventListener('abort', () => {
          ended = true;
          resolve({ source: 'slow', operator: 'slow', kind: 'unknown', error: 'timeout' });
        });
      }),
  };
  assert.equal(await createOutageCheck([slow, source('ip')], clock()).isOurs(signal), false);
  assert.equal(ended, true);
});
