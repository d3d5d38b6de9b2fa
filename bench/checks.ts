import { setTimeout as delay } from 'node:timers/promises';
import type { Peers } from './peers.ts';

const CLOSING_MS = 3_000;
const ASK_EVERY_MS = 50;

/**
 * Makes sure that the peers were really called: a contestant that skips work must not win.
 *
 * @throws Error if the peers got other than `expected` whole requests since they were last asked.
 */
export async function expectCalls(peers: Peers, expected: number): Promise<void> {
  const { requests } = await peers.stats();
  if (requests !== expected) {
    throw new Error(`the peers got ${requests} requests where ${expected} were to be made`);
  }
}

/** How many connections are open at the peers once those that were being closed are closed, 3 s later at most. */
export async function openAfterClosing(peers: Peers): Promise<number> {
  const endsAt = performance.now() + CLOSING_MS;
  for (;;) {
    const { open } = await peers.stats();
    if (open === 0 || performance.now() > endsAt) return open;
    await delay(ASK_EVERY_MS);
  }
}
