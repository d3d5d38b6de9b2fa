import * as v from 'valibot';
import { parseIp } from '../../lib/peers/ip-space.ts';
import { ROUND_SUMMARY } from '../../report/read/rounds.ts';
import { plural, tallyText, thousands } from '../../report/text/count.ts';
import { duration, relative } from '../../report/text/time.ts';
import { unknownChecksWords } from '../../report/words.ts';
import type { Context } from '../context.ts';
import { StageError } from '../errors.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import type { Screen } from '../text/screen.ts';

/** A job's summary in words, and the exit code that it means. Whatever function answered it: here or on AWS, old or new. */
export interface Told {
  readonly exit: ExitCode;
  show(screen: Screen): void;
}

/** Shows a summary as text or as it is, and answers the command's exit code. */
export function report(
  { args, screen }: Context,
  summary: unknown,
  told: Told | undefined,
  { interrupted = false }: { interrupted?: boolean } = {},
): ExitCode {
  if (args.flag('json')) screen.json(summary);
  if (told === undefined) {
    throw new StageError(
      'The function answered something that is no summary: is it another version? --json shows it.',
    );
  }
  if (!args.flag('json')) told.show(screen);
  return interrupted ? EXIT.interrupted : told.exit;
}

const number = v.fallback(v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))), undefined);
const counts = v.fallback(
  v.record(v.pipe(v.string(), v.regex(/^[a-z-]{1,20}$/)), v.fallback(v.number(), 0)),
  {},
);
const ip = v.fallback(
  v.optional(
    v.pipe(
      v.unknown(),
      v.transform((raw) => parseIp(raw)),
    ),
  ),
  undefined,
);

const STOPS = {
  held: 'Another round is running: this one did nothing.',
  late: 'It came too late for its round, and did nothing.',
  lease: 'Another round took over.',
  time: 'It ended before it was through; the next round goes on there.',
  budget: 'It made the calls that SYNC_MAX_PROBES_PER_ROUND allows; the next round goes on there.',
  outage:
    'Our own network is down: none of the IP sources answers. Nothing was written about whom it failed to reach.',
  error: 'Redis failed it.',
} as const;

/** What a run of `sync` answered. */
export function tellSync(summary: unknown): Told | undefined {
  const parsed = v.safeParse(ROUND_SUMMARY, summary);
  if (!parsed.success) return undefined;
  const { complete, stopped, probes, candidateProbes, states, errors, skipped, ...rest } = parsed.output;
  const idle = stopped === 'held' || stopped === 'late';
  const good = (complete || stopped === 'budget') && !rest.inconclusive && rest.shardsLost === 0;
  return {
    exit: good ? EXIT.ok : EXIT.attention,
    show(screen) {
      headline(
        screen,
        good,
        complete
          ? `The round is complete: ${plural(probes, 'call')} in ${duration(rest.durationMs)}.`
          : idle
            ? STOPS[stopped]
            : `${STOPS[stopped ?? 'time']} ${plural(probes, 'call')} in ${duration(rest.durationMs)}.`,
      );
      if (idle) return;
      const { alive, suspect, dead, new: fresh } = states;
      screen.entry(
        'consumers',
        `${thousands(alive)} alive, ${thousands(suspect)} suspect, ${thousands(dead)} dead, ${thousands(fresh)} new`,
      );
      if (tallyText(errors) !== '') screen.entry('failed', tallyText(errors));
      if (tallyText(skipped) !== '') screen.entry('skipped', tallyText(skipped));
      const { learned, promoted, moved } = rest;
      const news = tallyText({ 'heard of': learned, joined: promoted, moved });
      if (news !== '' || candidateProbes > 0) {
        screen.entry(
          'new',
          [news, `${plural(candidateProbes, 'candidate')} asked`].filter(Boolean).join('; '),
        );
      }
      if (rest.shardsStarted > 0 || rest.shardsLost > 0) {
        screen.entry(
          'shards',
          `${rest.shardsStarted} more started, ${rest.shardsLost} could not be; figures are of one`,
        );
      }
    },
  };
}

const OUTCOMES = [
  'confirmed',
  'changed',
  'counted',
  'waiting',
  'damped',
  'unknown',
  'stale',
  'aborted',
] as const;
const CHECK = v.object({
  outcome: v.picklist(OUTCOMES),
  ip,
  asked: number,
  checks: number,
  unknownChecks: number,
  due: number,
  notify: v.fallback(v.picklist(['invoked', 'running', 'not-needed', 'failed']), 'not-needed'),
});

/** What a run of `ip-check` answered. */
export function tellCheck(summary: unknown): Told | undefined {
  const parsed = v.safeParse(CHECK, summary);
  if (!parsed.success) return undefined;
  const { outcome, ip: current, asked, checks, unknownChecks, due, notify } = parsed.output;
  const stays = current === undefined ? 'There is none yet' : `It stays ${current}`;
  const texts: Readonly<Record<(typeof OUTCOMES)[number], string>> = {
    confirmed: `The address is ${current}, as it was.`,
    changed: `The address has changed: it is ${current} now.`,
    counted: `A new address is seen, and contested, or it was ours until just now: check ${checks} of the 3 that this takes. ${stays}.`,
    waiting: `A new address is seen and contested. This check came less than 20 s after the last, so it does not count (${checks} of 3). ${stays}.`,
    damped: `The sources report a former address, and the address goes to and fro. Its return waits, an hour at most. ${stays}.`,
    unknown: `The sources do not settle what the address is. ${stays}; ${unknownChecksWords(unknownChecks ?? 0)}.`,
    stale: `Another check or the operator was faster: nothing was recorded. ${current === undefined ? 'There is no address yet' : `The address is ${current}`}.`,
    aborted: 'The check ended before it could be recorded.',
  };
  const good =
    (outcome === 'confirmed' || outcome === 'changed' || outcome === 'stale') && notify !== 'failed';
  return {
    exit: good ? EXIT.ok : EXIT.attention,
    show(screen) {
      headline(screen, good, texts[outcome]);
      screen.entry('sources', `asked ${plural(asked ?? 0, 'time')}`);
      if (notify === 'running') screen.entry('producers', 'somebody is telling them already');
      if (notify === 'failed')
        screen.entry(
          'producers',
          `${thousands(due ?? 0)} due, and nobody could be started to tell them`,
          'bad',
        );
    },
  };
}

const ENDS = ['idle', 'taken', 'no-address', 'out-of-time', 'slow-redis', 'local'] as const;
const NOTIFY = v.object({
  outcome: v.picklist(ENDS),
  word: v.fallback(v.optional(v.picklist(['committed', 'repeated'])), undefined),
  acknowledged: number,
  again: number,
  failed: counts,
  missing: number,
  unusable: number,
  remaining: number,
  nextDueAt: number,
});

/** What a run of `producer-notify` answered. `nowMs` is about the present, for when the next attempt is. */
export function tellNotify(summary: unknown, nowMs: number): Told | undefined {
  const parsed = v.safeParse(NOTIFY, summary);
  if (!parsed.success) return undefined;
  const {
    outcome,
    word,
    acknowledged = 0,
    failed,
    remaining = 0,
    nextDueAt,
    missing = 0,
    unusable = 0,
  } = parsed.output;
  const told = acknowledged === 0 ? 'No producer' : plural(acknowledged, 'producer');
  const handed = outcome === 'taken';
  const good = handed || (outcome === 'idle' && remaining === 0);
  const texts: Readonly<Record<(typeof ENDS)[number], string>> = {
    idle: acknowledged === 0 && good ? 'No producer had to be told.' : `${told} told.`,
    taken: 'Another run is telling producers already; it takes this along.',
    'no-address': 'There is no address to tell yet.',
    'out-of-time': `${told} told before it ended; the next check goes on.`,
    'slow-redis':
      'Redis takes over 2 s to answer: nobody may be called under such leases. The next check tries again.',
    local: 'This machine could not open a single connection. The next check tries again.',
  };
  return {
    exit: good ? EXIT.ok : EXIT.attention,
    show(screen) {
      const first = word === undefined ? '' : word === 'committed' ? 'Taken. ' : 'Taken before. ';
      headline(screen, good, `${first}${texts[outcome]}`);
      if (tallyText(failed) !== '') screen.entry('failed', tallyText(failed));
      if (missing + unusable > 0)
        screen.entry('put off', tallyText({ 'not in producers': missing, unusable }));
      if (remaining > 0 && !handed) {
        const next =
          nextDueAt === undefined || nextDueAt <= nowMs
            ? 'by the next check'
            : `the next ${relative(nextDueAt, nowMs)}, by the first check after that`;
        screen.entry('to go', `${thousands(remaining)}, ${next}`);
      }
    },
  };
}

function headline(screen: Screen, good: boolean, text: string): void {
  screen.text(text, good ? 'good' : 'warning');
}
