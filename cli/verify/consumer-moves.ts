import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ip } from '../../lib/peers/ip-space.ts';
import { visible } from '../../report/text/escape.ts';
import { describe, succeeded } from './caller.ts';
import { type Seen, seen } from './database-rule.ts';
import { holds, optional, type Rule, unchecked, type Verdict, wrong } from './rule.ts';
import { newUuid, type Subject } from './subject.ts';

/** How long a move may take: two calls back with their deadlines, and a little. */
const MOVE_MS = 8_000;
/** How long a call back is waited for where there may be none. */
const ASKED_MS = 1_500;
/** What a peer writes because of an answer is there by then. */
const WRITTEN_MS = 300;
const REPEATED = 5;

/** What a consumer API believes of a known consumer that calls from another address. */
export const MOVE_RULES: readonly Rule<Subject>[] = [
  moving('does not believe a move of one that still answers', async (move) => {
    const { known, next, uuid, listen, callFromNext, entry } = move;
    const there = await listen(known, { uuid });
    const impostor = await listen(next, { uuid });
    for (let n = 0; n < REPEATED; n++) await callFromNext();
    await Promise.race([impostor.asked, delay(ASKED_MS)]);
    await delay(WRITTEN_MS);
    if ((await entry()) !== known)
      return wrong('one call from another address replaced the address of a consumer that answers');
    return there.count() > 1
      ? wrong(`${REPEATED} calls under one uuid made it call back ${there.count()} times within seconds`)
      : holds('an impostor at another address changed nothing');
  }),
  moving('does not believe a move of one that does not answer as itself', async (move) => {
    const { known, next, listen, callFromNext, entry } = move;
    const liar = await listen(next, { uuid: newUuid() });
    await callFromNext();
    await Promise.race([liar.asked, delay(ASKED_MS)]);
    await delay(WRITTEN_MS);
    return (await entry()) === known
      ? holds('a caller that answers with another uuid changed nothing')
      : wrong('a caller that answers with another uuid replaced the address of a consumer');
  }),
  moving('answers before it calls back', async (move) => {
    const { known, uuid, listen, callFromNext } = move;
    const { promise: answered, resolve } = Promise.withResolvers<void>();
    await listen(known, { uuid, before: () => answered });
    const called = await callFromNext();
    resolve();
    await delay(WRITTEN_MS);
    return succeeded(called)
      ? holds('answers while the address that it knows does not')
      : wrong(`while the address that it knows does not answer: ${describe(called)} instead of 2xx`);
  }),
  moving('follows a consumer that moved', async (move) => {
    const { known, next, uuid, listen, callFromNext, database } = move;
    await listen(next, { uuid });
    await callFromNext();
    const verdict = await followed(move, known, next);
    if (verdict.result !== 'holds') return verdict;
    await delay(WRITTEN_MS);
    return (await database.isCalled(uuid)) ? verdict : optional('who moved is not in `consumers:called`');
  }),
  moving('follows it at the port that the entry names', async (move) => {
    const { known, next, uuid, listen, callFromNext, database, otherPort } = move;
    await database.plant(uuid, `${known}:${otherPort}`);
    // Somebody else has the former address now.
    await listen(known, { uuid: newUuid(), port: otherPort });
    await listen(next, { uuid, port: otherPort });
    await callFromNext();
    return followed(move, `${known}:${otherPort}`, `${next}:${otherPort}`);
  }),
  moving('replaces only the entry that it read', async (move) => {
    const { next, uuid, listen, callFromNext, database, entry, otherPort } = move;
    const fromOperator = `${next}:${otherPort}`;
    const { asked } = await listen(next, { uuid, before: () => database.plant(uuid, fromOperator) });
    await callFromNext();
    const wasAsked = await Promise.race([asked.then(() => true), delay(MOVE_MS)]);
    await delay(WRITTEN_MS);
    if (!wasAsked) return unchecked('it did not call back');
    return (await entry()) === fromOperator
      ? holds('an entry that changed during the proof was left as it was')
      : wrong('an entry that changed during the proof was replaced');
  }),
];

/** Waits until the entry is no longer the former one. */
async function followed({ entry, peerPort }: Move, former: string, expected: string): Promise<Verdict> {
  const until = performance.now() + MOVE_MS;
  for (;;) {
    const now = await entry();
    if (now === expected) return holds(`${former} became ${expected}`);
    if (now !== former) return wrong(`${former} became ${visible(now ?? 'nothing')} instead of ${expected}`);
    if (performance.now() > until) {
      return optional(
        `a consumer whose known address is silent, and that answers at the new one, was not followed (--port is ${peerPort})`,
      );
    }
    await delay(100);
  }
}

interface Player {
  readonly uuid: string;
  /** The port where the peer calls back, if not given. */
  readonly port?: number;
  /** What is awaited before it answers. */
  readonly before?: () => Promise<void>;
}

interface Move extends Seen {
  readonly uuid: string;
  readonly known: Ip;
  readonly next: Ip;
  /** A port that is not the one where the peer calls back. */
  readonly otherPort: number;
  /** Answers with a uuid at this address. `asked` resolves when it has answered. */
  listen(ip: Ip, player: Player): Promise<{ readonly asked: Promise<void>; count(): number }>;
  callFromNext(): ReturnType<Subject['call']>;
  entry(): Promise<string | undefined>;
}

/** A consumer that was at `known` and calls from `next`, both played by this check. */
function moving(rule: string, check: (move: Move) => Promise<Verdict>): Rule<Subject> {
  return seen(rule, 'docs/PEERS.md#prove-a-move-before-you-record-it', async (subject) => {
    if (subject.sources === undefined) return unchecked('the peer must run on a loopback address of Linux');
    const { call, database, peerPort } = subject;
    const [known, next] = subject.sources;
    const uuid = newUuid();
    const ends: (() => void)[] = [];
    const listen: Move['listen'] = async (ip, { uuid: as, port = peerPort, before }) => {
      const { promise: asked, resolve: tell } = Promise.withResolvers<void>();
      let count = 0;
      const answer = async (response: ServerResponse) => {
        count += 1;
        await before?.();
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ uuid: as }), () => tell());
      };
      const server = createServer((message, response) => {
        message.resume();
        answer(response).catch(() => response.destroy());
      });
      await once(server.listen(port, ip), 'listening');
      ends.push(() => {
        server.close();
        server.closeAllConnections();
      });
      return { asked, count: () => count };
    };
    await database.plant(uuid, known);
    try {
      return await check({
        ...subject,
        uuid,
        known,
        next,
        otherPort: peerPort === 65_535 ? 65_534 : peerPort + 1,
        listen,
        callFromNext: () => call('/sync', { uuid }, { from: next }),
        entry: () => database.entry(uuid),
      });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (code !== 'EACCES' && code !== 'EADDRINUSE') throw error;
      return unchecked(
        `port ${peerPort}, where the peer calls back (--port), cannot be listened on: ${code}`,
      );
    } finally {
      for (const end of ends) end();
    }
  });
}
