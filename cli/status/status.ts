import { reportJson } from '../../report/json.ts';
import { type Report, readReport } from '../../report/report.ts';
import { type Context, withParts } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { showReport } from './show.ts';

const WATCH_EVERY_MS = 2_000;
/** To the upper left corner, and everything below and behind it cleared. */
const CLEAR = '\u001b[H\u001b[2J\u001b[3J';

/**
 * `p2p status`: what is going on, from Redis alone. The first line is the verdict. Nothing is written and nobody is called.
 * With `--watch` it looks again every two seconds until Ctrl-C.
 */
export function status(context: Context): Promise<ExitCode> {
  const { args, terminal } = context;
  const depth = args.flag('all') ? 'all' : 'page';
  return withParts(context, async (parts) => {
    if (!args.flag('watch')) return show(context, await readReport(parts, depth));
    const interrupts = terminal.watchInterrupts();
    try {
      for (;;) {
        const report = await readReport(parts, depth);
        if (interrupts.signal.aborted) return EXIT.ok;
        if (!args.flag('json')) terminal.write(terminal.draws ? CLEAR : '\n');
        show(context, report);
        await parts.host.sleep(WATCH_EVERY_MS, interrupts.signal);
        if (interrupts.signal.aborted) return EXIT.ok;
      }
    } finally {
      interrupts.end();
    }
  });
}

function show({ args, screen }: Context, report: Report): ExitCode {
  if (args.flag('json')) screen.json(reportJson(report));
  else showReport(screen, report);
  if (report.facts === undefined) return EXIT.unavailable;
  return report.verdict === 'ok' ? EXIT.ok : EXIT.attention;
}
