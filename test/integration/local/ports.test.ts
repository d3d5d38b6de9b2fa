import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireFreePorts } from '../../../local/ports.ts';
import { startPeer } from '../../support/peer-server.ts';

test('every port in use is named in one message, with the variable that moves it', async (t) => {
  const one = await startPeer(t);
  const other = await startPeer(t);
  const free = await startPeer(t);
  await free.stop();
  const uses = [
    { port: one.port, what: 'the functions', variable: 'LOCAL_LAMBDA_PORT' },
    { port: free.port, what: 'nothing', variable: 'LOCAL_X' },
    { port: other.port, what: 'the embedded Redis', variable: 'LOCAL_REDIS_PORT' },
  ];
  await assert.rejects(requireFreePorts(uses), ({ message }: Error) => {
    assert.match(message, new RegExp(`127.0.0.1:${one.port} is in use.*LOCAL_LAMBDA_PORT`));
    assert.match(message, new RegExp(`127.0.0.1:${other.port} is in use.*LOCAL_REDIS_PORT`));
    assert.doesNotMatch(message, /LOCAL_X/);
    return true;
  });
});

test('free ports are free afterwards too', async (t) => {
  const peer = await startPeer(t);
  await peer.stop();
  await requireFreePorts([{ port: peer.port, what: 'x', variable: 'LOCAL_X' }]);
  await startPeer(t, {}, { port: peer.port });
});
