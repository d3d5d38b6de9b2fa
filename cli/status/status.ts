import { reportJson } from '../../report/json.ts';
import { type Report, readReport } from '../../report/report.ts';
import { type Context, withParts } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import type { Screen } from '../text/screen.ts';
import { showReport } from './show.ts';
import { watch } from './watch.ts';

/**
 * `p2p status`: what is going on, from Redis alone. The first line is the verdict. Nothing is written and nobody is called.
 * With `--watch` it looks again every two seconds until Ctrl-C.
 */
export function status(context: Context): Promise<ExitCode> {
  const { args, screen } = context;
  const show = (to: Screen, report: Report) => {
    if (args.flag('json')) to.json(reportJson(report));
    else showReport(to, report);
  };
  return withParts(context, async (parts) => {
    const read = () => readReport(parts, args.flag('all') ? 'all' : 'page');
    if (args.flag('watch')) return watch(context, { read, show, host: parts.host });
    const report = await read();
    show(screen, report);
    if (report.facts === undefined) return EXIT.unavailable;
    return report.verdict === 'ok' ? EXIT.ok : EXIT.attention;
  });
}
