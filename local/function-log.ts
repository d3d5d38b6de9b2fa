import { jsonObject } from '../kit/http.ts';
import type { LogEvent } from './events.ts';

/** The warning or error in a line of the functions' output, or undefined for everything else. Pure. */
export function readLogLine(line: string): LogEvent | undefined {
  const entry = jsonObject(line) ?? {};
  const level = String(entry.level).toLowerCase();
  if (level !== 'warn' && level !== 'error') return undefined;
  const cause = typeof entry.error === 'object' && entry.error !== null ? { ...entry.error } : {};
  const reason = 'message' in cause ? `: ${cause.message}` : '';
  return {
    kind: 'log',
    level,
    functionName: String(entry.function_name ?? '').replace(/^p2p-consumer-scheduler-local-/, ''),
    message: `${entry.message}${reason}`.split('\n').join(' ').slice(0, 500),
  };
}
