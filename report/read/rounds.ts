import * as v from 'valibot';
import { parseIp } from '../../lib/peers/ip-space.ts';
import { CLOCK_SLACK_MS, type HealthState } from '../../lib/store/health-record.ts';
import { type Answered, entriesOf, wholeOf } from '../../lib/store/replies.ts';
import { type Mirror, STOP_REASONS, type StopReason } from '../../lib/sync/summary.ts';

/** One round of synchronization as its shards summed it up. */
export interface Round {
  readonly at: number;
  /** Shards that have ended, of how many. */
  readonly shards: number;
  readonly of: number;
  /** Whether all shards have, and each reached the end. */
  readonly complete: boolean;
  readonly inconclusive: boolean;
  /** Whether it went on where an earlier one had stopped, so that it did not come across all consumers. */
  readonly resumed: boolean;
  readonly stopped: readonly StopReason[];
  readonly probes: number;
  readonly states: Readonly<Record<HealthState, number>>;
  readonly errors: Readonly<Record<string, number>>;
  readonly skipped: Readonly<Record<string, number>>;
  readonly promoted: number;
  readonly moved: number;
  readonly learned: number;
  readonly shardsLost: number;
  /** The longest of its shards. */
  readonly durationMs: number;
  /** Consumers whose answer introduced others; absent in a summary from before that was counted. */
  readonly introducing?: number;
  /** What peers said about us; absent where none said anything. They may lie: it is shown, and changes nothing. */
  readonly mirror?: Mirror;
}

/** How many of the last rounds the verdict looks at. */
export const JUDGED_ROUNDS = 3;

/** A round names a few addresses at which we were seen. */
const MOST_SEEN = 10;

/** Larger than any summary of ours. */
const LONGEST_JSON = 10_000;

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const number = v.fallback(whole, 0);
const flag = v.fallback(v.boolean(), false);
const counts = v.fallback(
  v.pipe(v.record(v.pipe(v.string(), v.regex(/^[a-z-]{1,20}$/)), number), v.maxEntries(20)),
  {},
);
const NONE = { new: 0, alive: 0, suspect: 0, dead: 0 };

/** Whether it ended early only because it made all the calls that a round may make: others have their turn next. */
export function isBudgeted({ complete, inconclusive, stopped }: Round): boolean {
  return !complete && !inconclusive && stopped.length > 0 && stopped.every((word) => word === 'budget');
}

/** What a run of `sync` answers, whoever hands it on: what is not usable in it counts as absent. */
export const ROUND_SUMMARY = v.object({
  complete: flag,
  inconclusive: flag,
  resumed: flag,
  stopped: v.fallback(v.optional(v.picklist(STOP_REASONS)), undefined),
  probes: number,
  candidateProbes: number,
  states: v.fallback(v.object({ new: number, alive: number, suspect: number, dead: number }), NONE),
  errors: counts,
  skipped: counts,
  promoted: number,
  moved: number,
  learned: number,
  introducing: v.fallback(v.optional(whole), undefined),
  shardsStarted: number,
  shardsLost: number,
  durationMs: number,
  mirror: v.fallback(
    v.optional(
      v.object({
        seen: v.fallback(
          v.pipe(
            v.record(
              v.pipe(
                v.string(),
                v.check((text) => parseIp(text) !== undefined),
              ),
              number,
            ),
            v.maxEntries(MOST_SEEN),
          ),
          {},
        ),
        reached: number,
        unreached: number,
      }),
    ),
    undefined,
  ),
});

const STORED_SUMMARY = v.fallback(
  v.optional(v.pipe(v.string(), v.maxLength(LONGEST_JSON), v.parseJson(), ROUND_SUMMARY)),
  undefined,
);

export type RoundPart = v.InferOutput<typeof ROUND_SUMMARY>;

/**
 * Reads the reply to XREVRANGE of `sync:rounds`: the newest round first, its shards summed up. Rounds in the future come
 * last: Redis's clock was set back since, and what was written after that is newer. Never throws.
 */
export function readRounds(reply: Answered, nowMs: number): Round[] {
  const rounds = new Map<string, { at: number; of: number; parts: Map<number, RoundPart> }>();
  for (const fields of entriesOf(reply)) {
    const id = fields.get('round');
    const [at, shard, of] = ['at', 'shard', 'of'].map((name) => wholeOf(fields.get(name)));
    const part = v.parse(STORED_SUMMARY, fields.get('summary'));
    if (id === undefined || at === undefined || shard === undefined || !of || part === undefined) continue;
    const round = rounds.get(id) ?? { at, of, parts: new Map() };
    rounds.set(id, round);
    if (!round.parts.has(shard)) round.parts.set(shard, part);
  }
  const newestFirst = [...rounds.values()].map(sumUp).sort((a, b) => b.at - a.at);
  const isAhead = ({ at }: Round) => at - nowMs > CLOCK_SLACK_MS;
  return [...newestFirst.filter((round) => !isAhead(round)), ...newestFirst.filter(isAhead)];
}

function sumUp({ at, of, parts }: { at: number; of: number; parts: Map<number, RoundPart> }): Round {
  const all = [...parts.values()];
  const sum = (of: (part: RoundPart) => number) => all.reduce((total, part) => total + of(part), 0);
  return {
    at,
    shards: parts.size,
    of,
    complete: parts.size === of && all.every(({ complete }) => complete),
    inconclusive: all.some(({ inconclusive }) => inconclusive),
    resumed: all.some(({ resumed }) => resumed),
    stopped: [...new Set(all.flatMap(({ stopped }) => (stopped === undefined ? [] : [stopped])))],
    probes: sum(({ probes }) => probes),
    states: {
      new: sum(({ states }) => states.new),
      alive: sum(({ states }) => states.alive),
      suspect: sum(({ states }) => states.suspect),
      dead: sum(({ states }) => states.dead),
    },
    errors: merge(all.map(({ errors }) => errors)),
    skipped: merge(all.map(({ skipped }) => skipped)),
    promoted: sum(({ promoted }) => promoted),
    moved: sum(({ moved }) => moved),
    learned: sum(({ learned }) => learned),
    shardsLost: sum(({ shardsLost }) => shardsLost),
    durationMs: Math.max(0, ...all.map(({ durationMs }) => durationMs)),
    ...introducingOf(all),
    ...mirrorOf(all),
  };
}

/** A network that is heard in two shards is two voices: it is what the shards know. */
function mirrorOf(parts: readonly RoundPart[]): Pick<Round, 'mirror'> {
  const mirrors = parts.flatMap(({ mirror }) => (mirror === undefined ? [] : [mirror]));
  if (mirrors.length === 0) return {};
  return {
    mirror: {
      seen: merge(mirrors.map(({ seen }) => seen)),
      reached: mirrors.reduce((sum, { reached }) => sum + reached, 0),
      unreached: mirrors.reduce((sum, { unreached }) => sum + unreached, 0),
    },
  };
}

function introducingOf(parts: readonly RoundPart[]): Pick<Round, 'introducing'> {
  const counted = parts.flatMap(({ introducing }) => (introducing === undefined ? [] : [introducing]));
  return counted.length === 0 ? {} : { introducing: counted.reduce((sum, count) => sum + count, 0) };
}

function merge(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const merged = new Map<string, number>();
  for (const record of records) {
    for (const [name, count] of Object.entries(record)) merged.set(name, (merged.get(name) ?? 0) + count);
  }
  return Object.fromEntries(merged);
}
