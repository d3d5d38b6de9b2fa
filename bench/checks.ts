import type { Peers } from './peers.ts';

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
