import * as v from 'valibot';
import type { IpFamily } from '../peers/ip-space.ts';

/**
 * Where a round starts: at a page, in a *pass*, which is one walk over all pages and takes several rounds when one has not
 * the time. Within a page everybody has a place in a random order of the pass, and those before `after` have had their
 * turn. So an unfinished page makes progress in each round whatever its calls come to, and nobody starves.
 */
export interface Position {
  /** HSCAN's; `0` is the first page. */
  readonly cursor: string;
  /** When the pass began, by Redis's clock. It also is what the order is drawn from. */
  readonly passAt: number;
  /** A place from 0 to 2^32. */
  readonly after: number;
  /**
   * 2 once all places of an unfinished page have had their turn: those who got no verdict, and those whom a growing or
   * shrinking hash has brought here, get one more, and then the page is finished.
   */
  readonly lap: 1 | 2;
}

/** Where the page at `cursor` begins. */
export function pageAt(cursor: string, passAt: number): Position {
  return { cursor, passAt, after: 0, lap: 1 };
}

/** Where an answer comes from: `near` is our own network and all that is not public, `far` everything else. */
export type Scope = 'near' | 'far';

/** How many were called for the first time in a round, and how many of those calls failed. The dead do not count. */
export interface Tries {
  readonly tried: number;
  readonly failed: number;
}

/** A consumer by its field, how bad it was (more is worse), and when the round began that came across it. */
export type WorstConsumer = readonly [field: string, rank: number, seenAt: number];

/** What one shard of a round hands on to the next round. */
export interface PartState {
  /** Absent: the pass has ended, and the next round begins a new one. */
  readonly position?: Position;
  /** Of the last round, by family and scope such as `4far`. */
  readonly tries: Readonly<Partial<Record<`${IpFamily}${Scope}`, Tries>>>;
  /** Families over which an IP source has ever answered. */
  readonly sourced: readonly IpFamily[];
  /** Whether the last round found our own network down. */
  readonly outage: boolean;
  /** The worst consumers of the pass, the worst first. For those who show them. */
  readonly worst: readonly WorstConsumer[];
}

/** The field of `sync:cursor` that says when the last probes were written. */
export const LAST_PROBED = 'probed';

/** The field of `sync:cursor` that belongs to a part. */
export function cursorField({ shard, of }: { readonly shard: number; readonly of: number }): string {
  return `${shard}/${of}`;
}

export const NO_STATE: PartState = { tries: {}, sourced: [], outage: false, worst: [] };

/** How many of the worst consumers are kept. */
export const MOST_WORST = 50;

export function encodePartState(state: PartState): string {
  return JSON.stringify(state);
}

/**
 * Reads what `sync:cursor` holds, which may be anything. What cannot be read is `NO_STATE`; a position in the future is
 * none. A cursor of version 1 (`17@1764000000000`) is taken up.
 */
export function decodePartState(stored: unknown, nowMs: number): PartState {
  const parsed = v.safeParse(STORED, stored);
  const state: PartState = parsed.success ? parsed.output : NO_STATE;
  if (state.position === undefined || state.position.passAt <= nowMs) return state;
  const { position: _, ...rest } = state;
  return rest;
}

const LONGEST_JSON = 5_000;

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const tries = v.exactOptional(v.object({ tried: whole, failed: whole }));
const STATE = v.object({
  position: v.exactOptional(
    v.object({
      cursor: v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,64}$/)),
      passAt: whole,
      after: whole,
      lap: v.picklist([1, 2]),
    }),
  ),
  tries: v.object({ '4far': tries, '4near': tries, '6far': tries, '6near': tries }),
  sourced: v.array(v.picklist([4, 6])),
  outage: v.boolean(),
  // Absent in a state from before it was kept.
  worst: v.fallback(
    v.pipe(
      v.array(v.tuple([v.pipe(v.string(), v.regex(/^[\da-f-]{36}$/i)), whole, whole])),
      v.maxLength(MOST_WORST),
    ),
    [],
  ),
});
const VERSION_1 = v.pipe(
  v.string(),
  v.regex(/^[\x21-\x3f\x41-\x7a]{1,64}@\d{1,15}$/),
  v.transform((text): PartState => {
    const [cursor = '', passAt] = text.split('@');
    return { ...NO_STATE, position: pageAt(cursor, Number(passAt)) };
  }),
);
const STORED = v.union([v.pipe(v.string(), v.maxLength(LONGEST_JSON), v.parseJson(), STATE), VERSION_1]);
