import { thousands } from '../../report/text/count.ts';
import { duration } from '../../report/text/time.ts';
import type { Terminal } from '../terminal.ts';

const REDRAW_MS = 150;
const MOST_BAR = 30;
const TO_LINE_START = '\r';
const CLEAR_TO_END = '\u001b[K';

/** A line on stderr that shows how far a job is; nothing where stderr is no terminal. */
export interface Progress {
  /** One more is done. */
  tick(): void;
  /** Takes the line away. */
  end(): void;
}

export function startProgress(
  { draws, columns, writeError }: Pick<Terminal, 'draws' | 'columns' | 'writeError'>,
  { label, total, nowMs }: { label: string; total: number; nowMs: () => number },
): Progress {
  const startedMs = nowMs();
  let done = 0;
  const draw = () => {
    const line = progressLine({ label, done, total, elapsedMs: nowMs() - startedMs, columns });
    writeError(`${TO_LINE_START}${line}${CLEAR_TO_END}`);
  };
  const timer = draws ? setInterval(draw, REDRAW_MS) : undefined;
  if (draws) draw();
  return {
    tick() {
      done += 1;
    },
    end() {
      if (timer === undefined) return;
      clearInterval(timer);
      writeError(`${TO_LINE_START}${CLEAR_TO_END}`);
    },
  };
}

/** `calling [####------]  400 of 1,000  1,600/s  0.4 s left`, one column less than there are. At the end, the time it took. Pure. */
export function progressLine({
  label,
  done,
  total,
  elapsedMs,
  columns,
}: {
  label: string;
  done: number;
  total: number;
  elapsedMs: number;
  columns: number;
}): string {
  const rate = elapsedMs > 0 ? Math.round((done * 1_000) / elapsedMs) : 0;
  const left =
    done > 0 && total > done ? `${duration((elapsedMs * (total - done)) / done)} left` : duration(elapsedMs);
  const figures = `${thousands(done)} of ${thousands(Math.max(total, done))}  ${thousands(rate)}/s  ${left}`;
  const width = Math.min(MOST_BAR, columns - 1 - label.length - figures.length - 5);
  if (width < 5) return `${label} ${figures}`.slice(0, Math.max(0, columns - 1));
  const filled = total > 0 ? Math.round((Math.min(done, total) / total) * width) : 0;
  return `${label} [${'#'.repeat(filled)}${'-'.repeat(width - filled)}]  ${figures}`;
}
