import type { LineWriter } from './log.ts';
import { type LOG_FORMATS, LOG_LEVELS } from './variables.ts';

export type Level = (typeof LOG_LEVELS)[number];
export type LineFormat = (typeof LOG_FORMATS)[number];

export interface LineOptions {
  /** Gets each line, with its end. */
  readonly write: (line: string) => void;
  readonly level: Level;
  readonly format: LineFormat;
  /** The lines go to systemd's journal, which has the time itself and takes the priority from a prefix (sd-daemon(3)). */
  readonly journal?: boolean;
  readonly now?: () => Date;
}

/** syslog(3)'s numbers. */
const PRIORITIES: Readonly<Record<Level, number>> = { DEBUG: 7, INFO: 6, WARN: 4, ERROR: 3 };

/** Writes a line for each message of at least `level`. Whatever the fields hold, it is one line without control characters. */
export function createLineWriter({
  write,
  level: least,
  format,
  journal = false,
  now = () => new Date(),
}: LineOptions): LineWriter {
  const writerOf = (level: Level) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return () => {};
    const prefix = journal ? `<${PRIORITIES[level]}>` : '';
    return (message: string, fields: Readonly<Record<string, unknown>>) => {
      const text =
        format === 'json'
          ? JSON.stringify({ level, message, timestamp: now().toISOString(), ...fields })
          : `${journal ? '' : `${now().toISOString()} ${level.padEnd(5)} `}${message}${fieldsAsText(fields)}`;
      write(`${prefix}${visible(text)}\n`);
    };
  };
  return {
    debug: writerOf('DEBUG'),
    info: writerOf('INFO'),
    warn: writerOf('WARN'),
    error: writerOf('ERROR'),
  };
}

function fieldsAsText(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${valueAsText(value)}`)
    .join('');
}

/** As it is where that cannot be mistaken, else as JSON. */
function valueAsText(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:/@,+*-]+$/.test(value)) return value;
  return JSON.stringify(value) ?? String(value);
}

/** Control characters would move a terminal's cursor or begin a second line; in JSON they are escaped already. */
function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}
