import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startOffline } from '../../local/offline.ts';
import { freePorts } from '../support/ports.ts';
import { programEnv } from '../support/processes.ts';
import { copyService } from '../support/service.ts';

const lines: string[] = [];
let onLine = () => {};

/** Resolves when serverless has printed `count` lines that contain `part`. */
function printed(part: string, count: number): Promise<void> {
  return new Promise((resolve) => {
    onLine = () => {
      if (lines.filter((line) => line.includes(part)).length >= count) resolve();
    };
    onLine();
  });
}

const { lambda: port } = await freePorts();
const folder = await copyService({ after });
/** With nothing configured every run fails. */
const offline = await startOffline({
  folder,
  env: programEnv({ HOME: folder }),
  port,
  onLine: (line) => {
    lines.push(line);
    onLine();
  },
  signal: AbortSignal.timeout(120_000),
});
after(() => offline.stop());
const ended = offline.exited.then(() => assert.fail(`the local stack ended:\n${lines.join('\n')}`));
ended.catch(() => undefined);

const invoke = (type: 'Event' | 'RequestResponse') =>
  fetch(`http://127.0.0.1:${port}/2015-03-31/functions/p2p-consumer-scheduler-local-sync/invocations`, {
    method: 'POST',
    headers: { 'X-Amz-Invocation-Type': type },
    body: '{}',
  });

test('a run that fails asynchronously does not end the local stack', async () => {
  for (const failures of [1, 2, 3]) {
    assert.equal((await invoke('Event')).status, 202);
    await Promise.race([printed('The run of sync failed.', failures), ended]);
  }

  assert.equal((await invoke('RequestResponse')).status, 200);
});

test('who waits for a run still sees its error', async () => {
  const answer = await (await invoke('RequestResponse')).text();

  assert.match(answer, /REDIS_URL is required/);
});

test('a variable that is not set is not set in the functions either', async () => {
  const answer = await (await invoke('RequestResponse')).text();

  assert.match(answer, /LOCAL_UUID is required/);
  assert.doesNotMatch(answer, /PEER_PORT|IP_FAMILY|must be/, 'they would hold the text "null"');
});
