import type { Host } from '../../lib/host.ts';
import type { Report } from '../../report/report.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import type { Display, Terminal } from '../terminal.ts';
import { createScreen, type Screen } from '../text/screen.ts';

const WATCH_EVERY_MS = 2_000;

const TO_UPPER_LEFT = '\u001b[H';
const CLEAR_LINE = '\u001b[2K';
const CLEAR_BELOW = '\u001b[J';
/** DECAWM: a word that is longer than a line is cut at the right edge, and takes no second line. */
const [CUT_LINES, WRAP_LINES] = ['\u001b[?7l', '\u001b[?7h'];

/** How a report is read, and shown on any screen. */
interface Watched {
  read(): Promise<Report>;
  show(screen: Screen, report: Report): void;
  readonly host: Pick<Host, 'sleep'>;
}

/**
 * Shows a report every two seconds until it is interrupted: drawn over the one before on a terminal, else one after
 * another.
 */
export async function watch(
  { args, terminal, screen }: Context,
  { read, show, host }: Watched,
): Promise<ExitCode> {
  const { signal, end } = terminal.watchInterrupts({ needsReader: true });
  const interrupted = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  const display = args.flag('json') ? undefined : terminal.display;
  let latest: Report | undefined;
  const draw = () => {
    if (display !== undefined && latest !== undefined) drawOver(terminal, display, show, latest);
  };
  const stopListening = display?.onResize(draw);
  // What is on the screen goes to where one can scroll back to it.
  if (display !== undefined) terminal.write('\n'.repeat(display.size().rows));
  try {
    for (;;) {
      const report = await Promise.race([read(), interrupted]);
      if (report === undefined) break;
      if (display === undefined) {
        if (latest !== undefined && !args.flag('json')) terminal.write('\n');
        show(screen, report);
      }
      latest = report;
      draw();
      await host.sleep(WATCH_EVERY_MS, signal);
    }
    return EXIT.ok;
  } finally {
    // Below the terminal's own ^C.
    if (display !== undefined) terminal.write('\n');
    stopListening?.();
    end();
  }
}

/**
 * Draws a report in place of what is there, in one write, so that nothing flickers. Nothing of the terminal's state differs
 * afterwards, however this process ends. The cursor rests in the line below.
 */
function drawOver(
  { write, colour }: Pick<Terminal, 'write' | 'colour'>,
  display: Display,
  show: Watched['show'],
  report: Report,
): void {
  const { columns, rows } = display.size();
  let text = '';
  const keep = (more: string) => {
    text += more;
  };
  show(createScreen({ write: keep, columns, colour }), report);
  const lines = text.trimEnd().split('\n');
  const shown = lines.length < rows ? lines : lines.slice(0, Math.max(1, rows - 2));
  if (shown.length < lines.length) shown.push(`(${lines.length - shown.length} more lines do not fit)`);
  const drawn = shown.map((line) => `${CLEAR_LINE}${line}\n`).join('');
  write(`${CUT_LINES}${TO_UPPER_LEFT}${drawn}${CLEAR_BELOW}${WRAP_LINES}`);
}
