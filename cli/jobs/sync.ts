import { syncParts } from '../../lib/app.ts';
import { countOf } from '../../lib/store/replies.ts';
import { runSync } from '../../lib/sync/round.ts';
import { type Context, withParts } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { dryRunSync } from './dry-run.ts';
import { runHere, SCHEDULED } from './run-job.ts';
import { runDeployed } from './stage.ts';
import { report, tellSync } from './summaries.ts';
import { mayRunHere } from './where.ts';

/** `p2p sync`: one round, now. It is unsplit, however many consumers there are, and stops for a round that is running. */
export async function sync(context: Context): Promise<ExitCode> {
  const stage = context.args.text('stage');
  if (context.args.flag('dry-run')) return withParts(context, (parts) => dryRunSync(context, parts));
  if (stage !== undefined) {
    const summary = await runDeployed(context, stage, 'sync', SCHEDULED);
    return report(context, summary, tellSync(summary));
  }
  return withParts(context, async (parts) => {
    if (!(await mayRunHere(context, parts, 'every peer would record a wrong address'))) return EXIT.attention;
    const { redis, keys } = parts;
    const [known] = context.terminal.draws
      ? await redis.send([['HLEN', keys.consumers]], { repeatable: true })
      : [0];
    const { summary, interrupted } = await runHere(
      context,
      parts,
      (invocation, own) => runSync(SCHEDULED, invocation, syncParts(own)),
      { label: 'calling', total: countOf(known) },
    );
    return report(context, summary, tellSync(summary), { interrupted });
  });
}
