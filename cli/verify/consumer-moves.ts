import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ip } from '../../lib/peers/ip-space.ts';
import { visible } from '../../report/text/escape.ts';
import { type Seen, seen } from './database-rule.ts';
import { holds, optional, type Rule, unchecked, type Verdict, wrong } from './rule.ts';
import { newUuid, type Subject } from './subject.ts';

/** How long a move may take: two calls back with their deadlines, and a little. */
const MOVE_MS = 8_000;

/** What a consumer API believes of a known consumer that calls from another address. */
export const MOVE_RULES: readonly Rule<Subject>[] = [
  moving(
    'does not believe a move of one that still answers',
    async ({ known, next, uuid, listen, call, database }) => {
      await listen(known, uuid);
      const impostor = await listen(next, uuid);
      await call('/sync', { uuid }, { from: next });
      await Promise.race([impostor.asked, delay(1_500)]);
      await delay(300);
      return (await database.entry(uuid)) === known
        ? holds('an impostor at another address changed nothing')
        : wrong('one call from another address replaced the address of a consumer that answers');
    },
  ),
  moving(
    'does not believe a move of one that does not answer as itself',
    async ({ known, next, uuid, listen, call, database }) => {
      const liar = await listen(next, newUuid());
      await call('/sync', { uuid }, { from: next });
      await Promise.race([liar.asked, delay(1_500)]);
      await delay(300);
      return (await database.entry(uuid)) === known
        ? holds('a caller that answers with another uuid changed nothing')
        : wrong('a caller that answers with another uuid replaced the address of a consumer');
    },
  ),
  moving('follows a consumer that moved', async ({ known, next, uuid, listen, call, database }) => {
    await listen(next, uuid);
    await call('/sync', { uuid }, { from: next });
    const until = performance.now() + MOVE_MS;
    for (;;) {
      const entry = await database.entry(uuid);
      if (entry === next) return holds(`${known} became ${next}`);
      if (entry !== known) return wrong(`${known} became ${visible(entry ?? 'nothing')} instead of ${next}`);
      if (performance.now() > until) {
        return optional(
          'a consumer whose known address is silent, and that answers with its uuid at the new one, was not followed',
        );
      }
      await delay(100);
    }
  }),
];

interface Move extends Seen {
  readonly uuid: string;
  readonly known: Ip;
  readonly next: Ip;
  /** Answers with a uuid at this address, at the port where the peer calls back. */
  listen(ip: Ip, uuid: string): Promise<{ readonly asked: Promise<void> }>;
}

/** A consumer that was at `known` and calls from `next`, both played by this check. */
function moving(rule: string, check: (move: Move) => Promise<Verdict>): Rule<Subject> {
  return seen(rule, 'docs/PEERS.md#prove-a-move-before-you-record-it', async (subject) => {
    if (subject.sources === undefined) return unchecked('the peer must run on a loopback address of Linux');
    const [known, next] = subject.sources;
    const uuid = newUuid();
    const ends: (() => void)[] = [];
    const listen = async (ip: Ip, as: string) => {
      const { promise: asked, resolve: tell } = Promise.withResolvers<void>();
      const server = createServer((message, response) => {
        message.resume();
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ uuid: as }), () => tell());
      });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(subject.peerPort, ip, resolve);
      });
      ends.push(() => {
        server.close();
        server.closeAllConnections();
      });
      return { asked };
    };
    await subject.database.plant(uuid, known);
    try {
      return await check({ ...subject, uuid, known, next, listen });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (code !== 'EACCES' && code !== 'EADDRINUSE') throw error;
      return unchecked(
        `port ${subject.peerPort}, where the peer calls back (--port), cannot be listened on: ${code}`,
      );
    } finally {
      for (const end of ends) end();
    }
  });
}
