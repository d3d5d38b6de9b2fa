import { randomUUID } from 'node:crypto';
import type { AppParts } from '../../lib/app.ts';
import { EventError, RedisUnavailableError } from '../../lib/errors.ts';
import { parseNotifyEvent } from '../../lib/notify/event.ts';
import { runProducerNotify } from '../../lib/notify/notify.ts';
import { parseIp } from '../../lib/peers/ip-space.ts';
import { countOf, orThrow } from '../../lib/store/replies.ts';
import { begin } from '../../report/read/begin.ts';
import { plural } from '../../report/text/count.ts';
import { visible } from '../../report/text/escape.ts';
import { type Context, withParts } from '../context.ts';
import { StageError, UsageError } from '../errors.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { dryRunNotify } from './dry-run.ts';
import { runHere } from './run-job.ts';
import { runDeployed } from './stage.ts';
import { report, tellNotify } from './summaries.ts';
import { isConfirmed } from './where.ts';

interface Word {
  readonly ip: string;
  /** The word counts once for it, however often it is sent. */
  readonly id: string;
}

/**
 * `p2p notify --ip <address>`: the operator's word, which is always a new change: every producer is told. Without `--ip`
 * it delivers what is due. It counts once per command: the id is made here, and printed if the end is not known.
 */
export async function notify(context: Context): Promise<ExitCode> {
  const { args, terminal } = context;
  const word = readWord(context);
  if (args.flag('dry-run')) return withParts(context, (parts) => dryRunNotify(context, parts, word));
  const stage = args.text('stage');
  if (word !== undefined && !args.flag('yes') && !terminal.interactive) {
    throw new UsageError('Nobody is there to be asked: --yes says that the word is meant.', 'notify');
  }
  if (stage !== undefined) {
    if (!(await isMeant(context, word, 'every producer of the stage'))) return EXIT.attention;
    const summary = await keepingId(context, word, () =>
      runDeployed(context, stage, 'producer-notify', word ?? {}),
    );
    return report(context, summary, tellNotify(summary, Date.now()));
  }
  return withParts(context, async (parts) => {
    const payload = word ?? {};
    // Refused here rather than after the question.
    parseNotifyEvent(payload, parts.config.ip);
    const { register, rest } = await begin(parts, [
      ['HLEN', parts.keys.producers],
      ['ZCARD', parts.keys.due],
    ]);
    const [known, due] = rest.map((reply) => countOf(orThrow(reply)));
    const whom = `${plural(known ?? 0, 'producer')} (the register has ${register.current ?? 'no address'})`;
    if (!(await isMeant(context, word, whom))) return EXIT.attention;
    const total = (word === undefined ? due : known) ?? 0;
    const { summary, interrupted } = await keepingId(context, word, () =>
      deliverHere(context, parts, { payload, total }),
    );
    return report(context, summary, tellNotify(summary, parts.host.wallMs()), { interrupted });
  });
}

/** Runs `producer-notify` in this process, with its progress. */
export function deliverHere(
  context: Context,
  parts: AppParts,
  { payload, total }: { payload: unknown; total: number },
) {
  return runHere(context, parts, (invocation, own) => runProducerNotify(payload, invocation, own), {
    label: 'telling',
    total,
  });
}

function readWord({ args }: Context): Word | undefined {
  const ip = args.text('ip');
  const id = args.text('id');
  if (ip === undefined) return undefined;
  if (parseIp(ip) === undefined) {
    throw new UsageError('--ip must be an IP address, without a port.', 'notify');
  }
  if (id !== undefined && !/^[\x21-\x7e]{1,200}$/.test(id)) {
    throw new UsageError('--id must be the id that was printed.', 'notify');
  }
  return { ip, id: id ?? randomUUID() };
}

async function isMeant(context: Context, word: Word | undefined, whom: string): Promise<boolean> {
  if (word === undefined || context.args.flag('yes')) return true;
  return isConfirmed(context, `Tell ${whom} that the address is ${visible(word.ip)}?`);
}

/** Whoever does not know how it ended needs the id, so that repeating it is no second change. */
async function keepingId<Result>(
  { note }: Context,
  word: Word | undefined,
  run: () => Promise<Result>,
): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    const open = (error instanceof RedisUnavailableError && error.mayHaveRun) || error instanceof StageError;
    if (word !== undefined && open && !(error instanceof EventError)) {
      note(
        `Whether the word was taken is not known. It can be repeated safely with this added:\n--id ${word.id}`,
      );
    }
    throw error;
  }
}
