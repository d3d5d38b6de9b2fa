import type { StopReason } from '../lib/sync/summary.ts';
import type { ConsumerFacts } from './consumers.ts';
import type { Facts, MirrorFacts } from './facts.ts';
import type { ProducerRow } from './peers/producer-row.ts';
import type { Change, Telling } from './read/changes.ts';
import { isBudgeted, type Round } from './read/rounds.ts';
import { isStale } from './read/stale.ts';
import { plural, tallyText, thousands } from './text/count.ts';
import { duration, relative } from './text/time.ts';

/** What the status command and the page say alike. Nothing here is escaped: the view does that. */

/** What is said where nothing of a kind was found: `words`, but where a key could not be read there may be something. */
export function noneWords({ wrongTypes }: Facts, words: string): string {
  return wrongTypes.length === 0 ? words : 'not known';
}

/** `203.0.113.10 → 203.0.113.77`, with the operator's word named. */
export function changeWords({ from, to, manual }: Change, arrow = '->'): string {
  return `${from ?? 'nothing'} ${arrow} ${to}${manual ? " (operator's word)" : ''}`;
}

/** How the telling of a change went: `3 of 3 told within 1.3 s`. */
export function tellingWords(telling: Telling | undefined, at: number): string {
  if (telling === undefined) return 'how many producers were told is not known';
  const { told, of, lastAck } = telling;
  if (of === 0) return 'no producers to tell';
  if (told === 0) return `none${of === undefined ? '' : ` of ${thousands(of)}`} told`;
  const who = of === undefined ? thousands(told) : `${thousands(told)} of ${thousands(of)}`;
  return lastAck === undefined ? `${who} told` : `${who} told ${withinWords(telling, at)}`;
}

/** How long it took until the last of those who know it was told: `within 1.3 s`; empty while nobody was. */
export function withinWords(telling: Telling | undefined, at: number): string {
  return telling?.lastAck === undefined ? '' : `within ${after(telling.lastAck, at)}`;
}

/** When the first producer was told: `the first after 64 ms`; empty where that says nothing. */
export function firstToldWords(telling: Telling | undefined, at: number): string {
  if (telling?.firstAck === undefined || telling.told < 2) return '';
  return `the first after ${after(telling.firstAck, at)}`;
}

/** Redis counts whole milliseconds: what happened within one took some time all the same. */
function after(then: number, at: number): string {
  return duration(Math.max(1, then - at));
}

/** How many checks since the last one that found the address: `3 checks in a row found nothing out`. */
export function unknownChecksWords(checks: number): string {
  return checks === 1 ? 'the last check found nothing out' : `${checks} checks in a row found nothing out`;
}

/** How many producers know the address, and what becomes of the others. */
export function producersWords({ producers, notifyRuns }: Facts): string {
  const { due, overdue } = producers;
  return [
    due === 0 ? 'none to be told' : `${thousands(due)} to be told`,
    ...(overdue > 0 ? [`${thousands(overdue)} overdue`] : []),
    ...(notifyRuns ? ['being told now'] : []),
  ].join(', ');
}

/** Why a producer is not told: its last status, where it is of the present change, and how often it was tried. */
export function failureWords({ refused, delivery }: ProducerRow, epoch: number | undefined): string {
  if (refused !== undefined) return refused;
  const { attempts = 0, lastStatus, leaseEpoch } = delivery;
  if (attempts === 0 || leaseEpoch !== epoch) return '';
  return [...(lastStatus === undefined ? [] : [lastStatus]), plural(attempts, 'try', 'tries')].join(', ');
}

/** How many consumers are alive, of those whose state is known: `5 of 6 consumers alive`. */
export function aliveWords(consumers: ConsumerFacts): string {
  const { alive, asked } = aliveOf(consumers);
  const all = asked === consumers.known;
  return `${thousands(alive)} of ${plural(asked, all ? 'consumer' : 'asked consumer')} alive`;
}

/** How many consumers are alive, and how many have a state that is known. */
export function aliveOf({ known, states }: ConsumerFacts): {
  readonly alive: number;
  readonly asked: number;
} {
  return { alive: states?.alive ?? 0, asked: Math.max(0, known - (states?.unknown ?? 0)) };
}

/** Why a round did not reach every consumer. */
export const STOPS: Readonly<Record<StopReason, string>> = {
  held: 'another round was running',
  late: 'it came too late',
  lease: 'another round took over',
  time: 'out of time',
  budget: 'at its limit of calls',
  outage: 'our own network was down',
  error: 'Redis failed it',
};

/** How a round ended. */
function roundEndWords(round: Round): string {
  const { complete, inconclusive, stopped } = round;
  if (complete) return 'complete';
  if (inconclusive) return STOPS.outage;
  if (isBudgeted(round)) return STOPS.budget;
  return `unfinished${stopped.length === 0 ? '' : ` (${stopped.map((word) => STOPS[word]).join(', ')})`}`;
}

/** What a round did: `complete, 5 calls in 1.3 s, refused 1`. */
export function roundWords(round: Round): string {
  const { of, shards, probes, errors, durationMs } = round;
  const failed = tallyText(errors);
  return [
    roundEndWords(round),
    ...(of > 1 ? [`${shards} of ${of} shards`] : []),
    `${plural(probes, 'call')} in ${duration(durationMs)}`,
    ...(failed === '' ? [] : [failed]),
  ].join(', ');
}

/** Those that may be expected to know others than us. */
const LEAST_INTRODUCERS = 3;

/**
 * Says that nobody introduces anybody: then newcomers and moves are learned from their own calls alone. Undefined while
 * somebody does, few answer, or the last whole round did not count it.
 */
export function silenceWords(rounds: readonly Round[]): string | undefined {
  const { introducing, states } =
    rounds.find(({ complete, inconclusive }) => complete && !inconclusive) ?? {};
  if (introducing !== 0 || states === undefined || states.alive < LEAST_INTRODUCERS) return undefined;
  return `none of the ${thousands(states.alive)} that answer introduces others (docs/PEERS.md#name-consumers): newcomers and moves are learned from their own calls alone`;
}

/**
 * Why what peers said tells nothing about now: they were asked too long ago, or before the address changed, when they saw
 * the former one. Undefined where it does, or none said anything.
 */
export function outdatedMirrorWords({
  mirror,
  register,
  nowMs,
  syncEveryMs,
}: Pick<Facts, 'mirror' | 'nowMs' | 'syncEveryMs'> & {
  readonly register: Pick<Facts['register'], 'since'>;
}): string | undefined {
  if (mirror === undefined) return undefined;
  const asked = `peers were asked ${relative(mirror.at, nowMs)}`;
  if (mirror.at < (register.since ?? 0)) return `${asked}, before the address changed`;
  return isStale(mirror.at, syncEveryMs, nowMs) ? asked : undefined;
}

/** What peers say about us, a sentence each; empty where none said anything. */
export function mirrorWords({ here, elsewhere, reached, unreached }: MirrorFacts, address: string): string[] {
  return [
    ...(here + elsewhere > 0
      ? [
          `${here} of ${plural(here + elsewhere, 'peer')} ${here + elsewhere === 1 ? 'sees' : 'see'} our calls come from ${address}`,
        ]
      : []),
    ...(reached + unreached > 0
      ? [
          `${reached} of ${plural(reached + unreached, 'peer')} ${reached + unreached === 1 ? 'reaches' : 'reach'} our consumer API`,
        ]
      : []),
  ];
}
