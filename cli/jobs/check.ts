import type { AppParts } from '../../lib/app.ts';
import type { Invoke } from '../../lib/host.ts';
import { runIpCheck } from '../../lib/ip/check.ts';
import { type Context, withParts } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { dryRunCheck } from './dry-run.ts';
import { deliverHere } from './notify.ts';
import { runHere, SCHEDULED } from './run-job.ts';
import { runDeployed } from './stage.ts';
import { report, tellCheck, tellNotify } from './summaries.ts';
import { mayRunHere } from './where.ts';

/** `p2p check`: one look at the address, now, and then the telling of producers if any is due. */
export async function check(context: Context): Promise<ExitCode> {
  const stage = context.args.text('stage');
  if (stage !== undefined) {
    const summary = await runDeployed(context, stage, 'ip-check', SCHEDULED);
    return report(context, summary, tellCheck(summary));
  }
  let started: unknown;
  // Run when the check has ended, in this process, with a progress of its own. Lost with it, the next check repeats it.
  const invoke: Invoke = async (_, payload) => {
    started = payload;
  };
  return withParts(
    context,
    async (parts) => {
      if (context.args.flag('dry-run')) return dryRunCheck(context, parts);
      if (!(await mayRunHere(context, parts, "it would take this machine's address for a change"))) {
        return EXIT.attention;
      }
      return checkHere(context, parts, () => started);
    },
    { invoke },
  );
}

async function checkHere(context: Context, parts: AppParts, started: () => unknown): Promise<ExitCode> {
  const json = context.args.flag('json');
  const { summary, interrupted } = await runHere(context, parts, (invocation, own) =>
    runIpCheck(SCHEDULED, invocation, own),
  );
  const found = tellCheck(summary);
  const payload = started();
  if (interrupted || payload === undefined) return report(context, summary, found, { interrupted });

  if (!json) report(context, summary, found);
  const delivery = await deliverHere(context, parts, { payload, total: summary.due ?? 0 });
  const told = tellNotify(delivery.summary, parts.host.wallMs());
  if (json) context.screen.json({ ...summary, delivery: delivery.summary });
  else told?.show(context.screen);
  if (delivery.interrupted) return EXIT.interrupted;
  return [found, told].every((each) => each === undefined || each.exit === EXIT.ok)
    ? EXIT.ok
    : EXIT.attention;
}
