import type { AppParts } from '../../lib/app.ts';
import { countOf, orThrow } from '../../lib/store/replies.ts';
import { type Beginning, begin } from '../../report/read/begin.ts';
import { plural, tallyText, thousands } from '../../report/text/count.ts';
import { visible } from '../../report/text/escape.ts';
import type { Context } from '../context.ts';
import { withParts } from '../context.ts';
import { UsageError } from '../errors.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import type { Span, Tone } from '../text/line.ts';
import type { Column } from '../text/table.ts';

const DEFAULT_LIMIT = 100;

/** One kind of peers, and how it is listed. */
export interface Listing<Row extends { readonly uuid: string; readonly state: string }> {
  readonly kind: 'consumer' | 'producer';
  /** In the order in which rows are shown. */
  readonly states: readonly Row['state'][];
  readonly columns: readonly Column[];
  key(parts: AppParts): string;
  pages(parts: AppParts, beginning: Beginning, asked: Asked<Row>): AsyncIterable<readonly Row[]>;
  cells(row: Row, nowMs: number, wide: boolean): readonly Span[];
  json(row: Row): Readonly<Record<string, unknown>>;
}

/** What the operator wants to see. */
export interface Asked<Row extends { readonly state: string }> {
  readonly states: ReadonlySet<Row['state']> | undefined;
  readonly start: string | undefined;
  /** 0 for all. */
  readonly limit: number;
}

/** Lists peers, and stops reading as soon as it has as many as it may show. */
export async function list<Row extends { readonly uuid: string; readonly state: string }>(
  context: Context,
  listing: Listing<Row>,
): Promise<ExitCode> {
  const { args, screen } = context;
  const asked: Asked<Row> = {
    states: readStates(args.text('state'), listing.states),
    start: readStart(args.text('uuid')),
    limit: args.whole('limit', { fallback: DEFAULT_LIMIT, min: 0 }),
  };
  return withParts(context, async (parts) => {
    const beginning = await begin(parts, [['HLEN', listing.key(parts)]]);
    const entries = countOf(orThrow(beginning.rest[0]));
    const { rows, more, selves } = await collect(listing.pages(parts, beginning, asked), asked);
    // Whoever has not seen all entries cannot tell which of them are ourselves.
    const known = more || asked.start !== undefined ? undefined : entries - selves;
    const order = (row: Row) => listing.states.indexOf(row.state);
    rows.sort((a, b) => order(a) - order(b) || (a.uuid < b.uuid ? -1 : 1));
    if (args.flag('json')) {
      screen.json({
        at: beginning.nowMs,
        entries,
        known,
        truncated: more,
        [`${listing.kind}s`]: rows.map((row) => listing.json(row)),
      });
      return EXIT.ok;
    }
    show(context, listing, { rows, more, entries, known, nowMs: beginning.nowMs });
    return EXIT.ok;
  });
}

/** Also counts the entries that are ourselves, asked for or not: whoever is known does not include us. */
async function collect<Row extends { readonly uuid: string; readonly state: string }>(
  pages: AsyncIterable<readonly Row[]>,
  { states, limit }: Asked<Row>,
): Promise<{ rows: Row[]; more: boolean; selves: number }> {
  const rows = new Map<string, Row>();
  const selves = new Set<string>();
  for await (const page of pages) {
    for (const row of page) {
      if (row.state === 'self') selves.add(row.uuid);
      if (states !== undefined && !states.has(row.state)) continue;
      if (limit > 0 && rows.size >= limit && !rows.has(row.uuid))
        return { rows: [...rows.values()], more: true, selves: selves.size };
      rows.set(row.uuid, row);
    }
  }
  return { rows: [...rows.values()], more: false, selves: selves.size };
}

interface Listed<Row> {
  readonly rows: readonly Row[];
  readonly more: boolean;
  readonly entries: number;
  readonly known: number | undefined;
  readonly nowMs: number;
}

function show<Row extends { readonly uuid: string; readonly state: string }>(
  { args, screen }: Context,
  { kind, columns, states, cells }: Listing<Row>,
  { rows, more, entries, known, nowMs }: Listed<Row>,
): void {
  const others = rows.filter(({ state }) => state !== 'self');
  const counts = Object.fromEntries(
    states.map((state) => [state, others.filter((row) => row.state === state).length]),
  );
  const all =
    known === undefined
      ? `${plural(entries, 'entry', 'entries')} of ${kind}s`
      : `${plural(known, kind)} known`;
  const shown = others.length === known ? '' : `; ${thousands(others.length)} shown`;
  const words = [tallyText(counts), others.length < rows.length ? 'ourselves' : ''].filter(Boolean);
  screen.line([`${all}${shown}`, 'strong'], words.length === 0 ? '' : `: ${words.join(', and ')}`);
  if (rows.length > 0) {
    const wide = args.flag('wide');
    screen.line();
    screen.table(
      columns,
      rows.map((row) => cells(row, nowMs, wide)),
      { wide },
    );
  }
  if (more) {
    screen.line();
    screen.text('There are more. --state and --uuid narrow it down, --limit 0 shows all.', 'dim');
  }
}

function readStart(text: string | undefined): string | undefined {
  if (text === undefined || /^[0-9a-f-]{1,36}$/i.test(text)) return text;
  throw new UsageError('--uuid must be the start of a UUID.');
}

function readStates<State extends string>(
  text: string | undefined,
  known: readonly State[],
): ReadonlySet<State> | undefined {
  if (text === undefined) return undefined;
  const wanted = text.split(',').map((name) => {
    const state = known.find((each) => each === name.trim());
    if (state === undefined) throw new UsageError(`--state must be some of ${known.join(', ')}.`);
    return state;
  });
  return new Set(wanted);
}

/** A UUID as a table shows it: its first eight digits, or all of it where there is room. */
export function uuidCell(uuid: string, wide: boolean): string {
  return wide ? visible(uuid, 36) : visible(uuid.slice(0, 8), 8);
}

const TONES: Readonly<Record<string, Tone>> = {
  alive: 'good',
  told: 'good',
  suspect: 'warning',
  retrying: 'warning',
  unknown: 'warning',
  dead: 'bad',
  unusable: 'bad',
  missing: 'bad',
};

export function stateCell(state: string): Span {
  const tone = TONES[state];
  return tone === undefined ? state : [state, tone];
}
