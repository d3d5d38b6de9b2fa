import { reportJson } from '../../report/json.ts';
import { readReport } from '../../report/report.ts';
import { type Context, withParts } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { showReport } from './show.ts';

/**
 * `p2p status`: what is going on, from Redis alone. The first line is the verdict. Nothing is written and nobody is called.
 */
export async function status(context: Context): Promise<ExitCode> {
  const { args, screen } = context;
  const report = await withParts(context, (parts) => readReport(parts, args.flag('all') ? 'all' : 'page'));
  if (args.flag('json')) screen.json(reportJson(report));
  else showReport(screen, report);
  if (report.facts === undefined) return EXIT.unavailable;
  return report.verdict === 'ok' ? EXIT.ok : EXIT.attention;
}
