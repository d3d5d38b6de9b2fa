import { createHash } from 'node:crypto';
import { stamp } from '../../report/text/time.ts';
import type { News } from './decide.ts';

/** What is sent for one or several pieces of news. */
export interface Message {
  readonly title: string;
  readonly body: string;
  /** Whether somebody should look, for receivers that have priorities. */
  readonly urgent: boolean;
  /** The same for the same news: a message that was sent twice can be known by it. */
  readonly id: string;
}

/** Discord takes 2,000 characters and ntfy 4,096 bytes. */
const LONGEST_BODY = 1_700;

/** One message for all that is to be told. `name` tells consumers apart for whoever runs several. */
export function messageOf(news: readonly News[], name: string): Message {
  const last = news.findLast(({ kind }) => kind === 'verdict') ?? news.at(-1);
  const lines = news.length === 1 ? news.flatMap(detailsOf) : news.map(lineOf);
  const body = [...lines, `Consumer ${name}.`].join('\n');
  return {
    title: last === undefined ? 'Nothing to tell' : titleOf(last),
    body: body.length > LONGEST_BODY ? `${body.slice(0, LONGEST_BODY)}…` : body,
    urgent: last?.kind === 'verdict' && last.verdict !== 'ok',
    id: createHash('sha256')
      .update(JSON.stringify([name, news]))
      .digest('hex')
      .slice(0, 16),
  };
}

/** What `alert --test` sends. */
export function testMessage(name: string, nowMs: number): Message {
  return {
    title: 'Test of the alerts of P2P consumer scheduler',
    body: `If you read this, alerts reach you.\nConsumer ${name}.`,
    urgent: false,
    id: `test-${nowMs}`,
  };
}

function titleOf(news: News): string {
  if (news.kind === 'address') return `Address changed to ${news.to}`;
  return `${news.verdict.toUpperCase()}: ${news.headline}`;
}

function detailsOf(news: News): string[] {
  if (news.kind === 'address') return [lineOf(news)];
  return [...news.reasons.map((reason) => `- ${reason}`), `Since ${stamp(news.at)}.`];
}

function lineOf(news: News): string {
  if (news.kind === 'address') {
    return `${stamp(news.at)} the address changed from ${news.from ?? 'nothing'} to ${news.to}.`;
  }
  return `${stamp(news.at)} ${news.verdict.toUpperCase()}: ${news.headline}.`;
}
