import type { AppParts } from '../lib/app.ts';
import { IdentityError, RedisReplyError, RedisUnavailableError } from '../lib/errors.ts';
import { createScrub, secretsOf } from '../lib/log.ts';
import type { Depth } from './consumers.ts';
import { type Facts, readFacts } from './facts.ts';
import { type Reason, reason, type Verdict } from './reasons.ts';
import { plural } from './text/count.ts';
import { reasonsOf, verdictOf } from './verdict.ts';
import { aliveWords } from './words.ts';

/**
 * What is going on, at one moment. The status command, the page, the metrics and the alerts are views of it. Without
 * `facts` Redis could not be asked, or belongs to another consumer: that is an answer, too.
 */
export interface Report {
  readonly verdict: Verdict;
  /** The worst first; empty if all is well. */
  readonly reasons: readonly Reason[];
  /** The verdict in a few words: with the verdict's own word before it, it fits 80 columns. */
  readonly headline: string;
  readonly facts?: Facts;
}

/**
 * Reads Redis, in 20 commands at most unless `depth` is `all`, and comes to a verdict. Nothing is written, nobody is
 * called.
 *
 * @throws what is a mistake of this program; a Redis that cannot be asked is a report.
 */
export async function readReport(parts: AppParts, depth: Depth): Promise<Report> {
  try {
    return reportOf(await readFacts(parts, depth));
  } catch (error) {
    const why = whyNothingIsKnown(error, createScrub(secretsOf(parts.config)));
    if (why === undefined) throw error;
    return { verdict: why.verdict, reasons: [why], headline: why.title };
  }
}

/** The report that the facts come to. Pure. */
export function reportOf(facts: Facts): Report {
  const reasons = reasonsOf(facts);
  return { verdict: verdictOf(reasons), reasons, headline: headlineOf(facts, reasons), facts };
}

function headlineOf(facts: Facts, [worst, ...others]: readonly Reason[]): string {
  if (worst === undefined) return summaryOf(facts);
  return others.length === 0 ? worst.title : `${worst.title}, and ${plural(others.length, 'more reason')}`;
}

/** All is well: how many consumers answer, and whether producers know the address. */
function summaryOf({ consumers, producers }: Facts): string {
  const told =
    producers.known === 0
      ? 'no producers'
      : producers.due === 0
        ? `${plural(producers.known, 'producer')} told`
        : `telling ${plural(producers.due, 'producer')}`;
  return `${aliveWords(consumers)}, ${told}`;
}

function whyNothingIsKnown(error: unknown, scrub: (text: string) => string): Reason | undefined {
  if (error instanceof IdentityError) return reason('redis-foreign', scrub(error.message));
  if (error instanceof RedisUnavailableError) return reason('redis-unavailable', scrub(error.message));
  if (error instanceof RedisReplyError) {
    const text = `Redis refused a command: ${error.message.replace(/\.$/, '')}. \`doctor\` says more.`;
    return reason('redis-unavailable', scrub(text), 'Redis refuses a command');
  }
  return undefined;
}
