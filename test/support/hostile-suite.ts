import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { HOSTILE_BEHAVIOURS, startHostile } from './hostile-server.ts';

/** Where the deadline is what ends a call it is short. Elsewhere it is so long that only the right verdict comes in time. */
const SHORT_MS = 200;
const LONG_MS = 10_000;

/** One call over the transport under test. Returns `replied`, or the failure's class. */
export type HostileCall = (port: number, timeoutMs: number) => Promise<string>;

/**
 * Runs a client's transport against every hostile behaviour: it must come to the right verdict, take no more than
 * `maxBytes` of the stream (and what one read of the socket holds), dial once, and have destroyed its socket when it
 * settles. A call that outlives its deadline runs into the time limit of the test.
 */
export function describeHostileReplies(
  name: string,
  { call, maxBytes }: { call: HostileCall; maxBytes: number },
): void {
  describe(name, () => {
    for (const behaviour of HOSTILE_BEHAVIOURS) {
      const expected: readonly string[] = [behaviour.verdict].flat();
      test(`${behaviour.name}: ${expected.join(' or ')}`, {
        timeout: 20_000,
      }, async (t) => {
        const server = await startHostile(t, behaviour);
        const dialled: Socket[] = [];
        const watch = (message: unknown) => {
          if (isPublished(message)) dialled.push(message.socket);
        };
        subscribe('net.client.socket', watch);
        t.after(() => void unsubscribe('net.client.socket', watch));

        const verdict = await call(server.port, expected.includes('timeout') ? SHORT_MS : LONG_MS);

        assert.ok(expected.includes(verdict), `the verdict was ${verdict}`);
        assert.equal(dialled.length, 1, 'exactly one socket was opened');
        assert.equal(dialled[0]?.destroyed, true, 'the socket was destroyed when the call settled');
        const bytes = dialled[0]?.bytesRead ?? 0;
        assert.ok(bytes <= maxBytes + ONE_READ, `${bytes} bytes were read`);
        await server.allClosed();
        assert.ok(server.connections <= 1, 'there was no second connection');
      });
    }
  });
}

/** What libuv reads of a stream at a time. */
const ONE_READ = 65_536;

function isPublished(message: unknown): message is { socket: Socket } {
  return (
    typeof message === 'object' && message !== null && 'socket' in message && message.socket instanceof Socket
  );
}
