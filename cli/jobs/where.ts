import type { AppParts } from '../../lib/app.ts';
import { answersOf, strictMajority } from '../../lib/ip/decide.ts';
import type { Ip } from '../../lib/peers/ip-space.ts';
import { begin } from '../../report/read/begin.ts';
import type { Context } from '../context.ts';

/** What most echo services see of this machine. What a name or a constant says is no sign of where we are. */
async function seenFromOutside(sources: AppParts['sources']): Promise<Ip | undefined> {
  const services = sources.filter(({ kind }) => kind === 'http');
  return strictMajority(answersOf(await Promise.all(services.map((source) => source.ask()))));
}

/**
 * Makes sure that a job may run on *this* machine: from another than the consumer's host (a laptop, while the scheduler
 * runs elsewhere) a round would teach every peer a wrong address, and a check would take this machine's address for a
 * change. If the address seen from outside is not the register's, the operator decides; `--yes` is their answer.
 *
 * @throws IdentityError, RedisUnavailableError, RedisReplyError
 */
export async function mayRunHere(context: Context, parts: AppParts, consequence: string): Promise<boolean> {
  const { args, terminal, note } = context;
  if (args.flag('yes')) return true;
  const { register } = await begin(parts);
  if (register.current === undefined) return true;
  const seen = await seenFromOutside(parts.sources);
  if (seen === undefined || seen === register.current) return true;
  note(`From here the sources see ${seen}; the register has ${register.current}.`);
  note(
    `On the consumer's own host this means that its address has changed. On any other machine ${consequence}: use --stage ` +
      'where the scheduler runs on AWS, or run this on the host.',
  );
  if (!terminal.interactive) {
    note('Nothing was done. --yes says that this is the host.');
    return false;
  }
  return isConfirmed(context, "Is this the consumer's own host?");
}

/** Asks, and says that nothing was done unless the answer is yes. */
export async function isConfirmed({ terminal, note }: Context, question: string): Promise<boolean> {
  // On a row of its own: the terminal would break a long prompt within a word.
  note(question);
  const confirmed = /^y(es)?$/i.test((await terminal.ask('[y/N] ')).trim());
  if (!confirmed) note('Nothing was done.');
  return confirmed;
}
