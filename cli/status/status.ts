import { IdentityError, RedisReplyError, RedisUnavailableError } from '../../lib/errors.ts';
import { type Facts, readFacts } from '../../report/facts.ts';
import { reasonsOf, verdictOf } from '../../report/verdict.ts';
import { type Context, withParts } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { factsJson, showFacts, verdictLine } from './show.ts';

/**
 * `p2p status`: what is going on, from Redis alone. The first line is the verdict. Nothing is written and nobody is called.
 */
export async function status(context: Context): Promise<ExitCode> {
  const { args, screen } = context;
  const facts = await withParts(context, (parts) =>
    readFacts(parts, { all: args.flag('all') }).catch(whyNothingIsKnown),
  );
  if (facts instanceof Error) return showNothing(context, facts);
  const reasons = reasonsOf(facts);
  const verdict = verdictOf(reasons);
  if (args.flag('json'))
    screen.json({ verdict, reasons: reasons.map(({ text }) => text), ...factsJson(facts) });
  else showFacts(screen, facts, reasons);
  return verdict === 'ok' ? EXIT.ok : EXIT.attention;
}

/** Redis that cannot be asked is an answer to "what is going on", and has its verdict too. */
function whyNothingIsKnown(error: unknown): Error {
  const answers = [RedisUnavailableError, RedisReplyError, IdentityError];
  if (error instanceof Error && answers.some((kind) => error instanceof kind)) return error;
  throw error;
}

function showNothing({ args, screen, scrub }: Context, error: Error): ExitCode {
  const reason = scrub(error.message);
  if (args.flag('json')) screen.json({ verdict: 'unknown', reasons: [reason] });
  else {
    screen.line(...verdictLine('unknown', 'Redis cannot be asked'));
    screen.line();
    screen.entry('redis', reason);
  }
  return EXIT.unavailable;
}

export type { Facts };
