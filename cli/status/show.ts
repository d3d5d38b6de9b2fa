import type { Facts } from '../../report/facts.ts';
import type { ProducerRow } from '../../report/peers/producer-row.ts';
import type { Change } from '../../report/read/changes.ts';
import { isBudgeted, type Round } from '../../report/read/rounds.ts';
import { isStale } from '../../report/read/stale.ts';
import { plural, tallyText, thousands } from '../../report/text/count.ts';
import { visible } from '../../report/text/escape.ts';
import { duration, relative, shortDuration, stamp } from '../../report/text/time.ts';
import { type Reason, reasonsOf, type Verdict, verdictOf } from '../../report/verdict.ts';
import { stateCell, uuidCell } from '../peers/list.ts';
import { LABEL_WIDTH, type Screen, type Span, type Tone } from '../text/screen.ts';

const TONES: Readonly<Record<Verdict, Tone>> = { ok: 'good', attention: 'bad', unknown: 'warning' };
const SHOWN_CHANGES = 3;
/** More of a list of producers says nothing at a glance. */
const SHOWN_WAITING = 5;

export function verdictLine(verdict: Verdict, text: string): Span[] {
  return [
    [verdict.toUpperCase().padEnd(LABEL_WIDTH), TONES[verdict]],
    [text, 'strong'],
  ];
}

export function showFacts(screen: Screen, facts: Facts, reasons: readonly Reason[] = reasonsOf(facts)): void {
  const [worst, ...others] = reasons;
  const more = others.length === 0 ? '' : `, and ${others.length} more`;
  screen.line(...verdictLine(verdictOf(reasons), fit(worst?.text ?? summary(facts), more)));
  for (const { verdict, text } of others) screen.entry('', text, TONES[verdict]);
  screen.line();
  showAddress(screen, facts);
  showChanges(screen, facts);
  showProducers(screen, facts);
  showConsumers(screen, facts);
  showRounds(screen, facts);
}

/** The verdict is one line, whatever there is to say. */
function fit(text: string, more: string): string {
  const most = 80 - LABEL_WIDTH - more.length;
  return `${text.length <= most ? text : `${text.slice(0, most - 1)}…`}${more}`;
}

function summary({ register, consumers, producers }: Facts): string {
  const states = consumers.states;
  const told =
    producers.known === 0
      ? 'no producers'
      : producers.due === 0
        ? `${plural(producers.known, 'producer')} up to date`
        : `telling producers, ${thousands(producers.due)} to go`;
  return `${register.current} confirmed; ${thousands(states?.alive ?? 0)} of ${plural(consumers.known, 'consumer')} alive; ${told}`;
}

function showAddress(screen: Screen, { nowMs, checkEveryMs, register }: Facts): void {
  const { current, since, verifiedAt, checkedAt, epoch, candidate, unknownChecks } = register;
  const ago = (at: number | undefined) => (at === undefined ? 'never' : relative(at, nowMs));
  if (current === undefined) {
    screen.entry('address', `unknown; last check ${ago(checkedAt)}`, 'warning');
    return;
  }
  const known = !isStale(verifiedAt, checkEveryMs, nowMs);
  screen.entry(
    'address',
    known ? `${current}, confirmed ${ago(verifiedAt)}` : `unknown; it was ${current}`,
    known ? undefined : 'warning',
  );
  if (since !== undefined) screen.entry('', `since ${stamp(since)} (${ago(since)}), epoch ${epoch}`);
  if (!known) screen.entry('', `confirmed ${ago(verifiedAt)}, last check ${ago(checkedAt)}`);
  if (unknownChecks > 0) screen.entry('', `${plural(unknownChecks, 'check')} in a row found nothing out`);
  if (candidate !== undefined) {
    screen.entry(
      '',
      `${candidate.ip} is contested: ${candidate.checks} of 3 checks have seen it, the last ${ago(candidate.at)}`,
    );
  }
}

function showChanges(screen: Screen, { nowMs, changes }: Facts): void {
  if (changes.length === 0) screen.entry('changes', 'none yet');
  for (const [i, change] of changes.slice(0, SHOWN_CHANGES).entries()) {
    screen.entry(i === 0 ? 'changes' : '', changeText(change, nowMs));
  }
}

function changeText({ from, to, at, manual, delivered }: Change, nowMs: number): string {
  const what = `${from ?? 'nothing'} -> ${to}${manual ? " (operator's word)" : ''}`;
  const told =
    delivered === undefined
      ? ''
      : `, ${thousands(delivered.told)} told within ${duration(delivered.lastAck - at)}`;
  return `${relative(at, nowMs)}: ${what}${told}`;
}

function showProducers(screen: Screen, { nowMs, producers, notifyRuns }: Facts): void {
  const { known, due, overdue, first } = producers;
  const state = [
    due === 0 ? 'none to be told' : `${thousands(due)} to be told`,
    ...(overdue > 0 ? [`${thousands(overdue)} overdue`] : []),
    ...(notifyRuns ? ['being told now'] : []),
  ];
  screen.entry('producers', `${thousands(known)} known, ${state.join(', ')}`);
  for (const row of first.slice(0, SHOWN_WAITING))
    screen.line(' '.repeat(LABEL_WIDTH), ...waiting(row, nowMs));
  if (due > SHOWN_WAITING)
    screen.entry('', `and ${thousands(due - SHOWN_WAITING)} more: p2p producers`, 'dim');
}

function waiting({ uuid, address, state, refused, delivery, due }: ProducerRow, nowMs: number): Span[] {
  const cell = stateCell(state);
  const padded: Span = typeof cell === 'string' ? cell.padEnd(9) : [cell[0].padEnd(9), cell[1]];
  const status = refused ?? (delivery.lastStatus === undefined ? '' : `${visible(delivery.lastStatus, 14)} `);
  const next = due === undefined ? '' : due <= nowMs ? 'next check' : `in ${shortDuration(due - nowMs)}`;
  const tries = delivery.attempts ? `x${Math.min(delivery.attempts, 9_999)}, ` : '';
  return [
    `${uuidCell(uuid, false).padEnd(8)}  `,
    `${visible(address ?? '-', 21).padEnd(21)}  `,
    padded,
    `${status}${tries}${next}`,
  ];
}

function showConsumers(screen: Screen, { nowMs, consumers }: Facts): void {
  const { known, heardOf, states, countedAt, partial } = consumers;
  const heard = heardOf === 0 ? '' : `; ${thousands(heardOf)} more heard of`;
  if (states === undefined) {
    screen.entry('consumers', `${thousands(known)} known, their states unknown${heard}`, 'warning');
    return;
  }
  const { alive, suspect, dead, new: fresh, unknown, unusable } = states;
  const counts = [
    `${thousands(alive)} alive`,
    `${thousands(suspect)} suspect`,
    `${thousands(dead)} dead`,
    `${thousands(fresh)} new`,
    ...(unknown > 0 ? [`${thousands(unknown)} unknown`] : []),
    ...(unusable > 0 ? [`${thousands(unusable)} unusable`] : []),
  ];
  screen.entry('consumers', `${thousands(known)} known: ${counts.join(', ')}${heard}`);
  if (countedAt !== undefined) {
    const whose = partial ? 'those that came up in' : 'as of';
    screen.entry('', `${whose} the round ${relative(countedAt, nowMs)}; --all counts now`, 'dim');
  }
}

function showRounds(screen: Screen, { nowMs, rounds, syncRuns, syncEveryMs }: Facts): void {
  if (syncRuns) screen.entry('rounds', 'one is running');
  else if (rounds.length === 0) screen.entry('rounds', 'none yet');
  for (const [i, round] of rounds.entries()) {
    const old = i === 0 && !syncRuns && isStale(round.at, syncEveryMs, nowMs);
    screen.entry(i === 0 && !syncRuns ? 'rounds' : '', roundText(round, nowMs), old ? 'warning' : undefined);
  }
}

function roundText(round: Round, nowMs: number): string {
  const { at, of, shards, complete, inconclusive, stopped, probes, errors, durationMs } = round;
  const end = complete
    ? 'complete'
    : inconclusive
      ? 'our own network was down'
      : isBudgeted(round)
        ? 'all calls made that a round may make'
        : `unfinished${stopped.length === 0 ? '' : ` (${stopped.join(', ')})`}`;
  const failed = tallyText(errors);
  return [
    `${relative(at, nowMs)}: ${end}`,
    ...(of > 1 ? [`${shards} of ${of} shards`] : []),
    `${plural(probes, 'call')} in ${duration(durationMs)}`,
    ...(failed === '' ? [] : [failed]),
  ].join(', ');
}

/** What `--json` prints beside the verdict. Times are ms since the epoch. */
export function factsJson(facts: Facts): Readonly<Record<string, unknown>> {
  const { nowMs, register, consumers, producers, rounds, changes, checkEveryMs } = facts;
  const { current, previous, epoch, since, checkedAt, verifiedAt, unknownChecks, candidate } = register;
  return {
    at: nowMs,
    address: {
      current: current ?? null,
      confirmed: current !== undefined && !isStale(verifiedAt, checkEveryMs, nowMs),
      previous,
      epoch,
      since,
      checkedAt,
      verifiedAt,
      unknownChecks,
      candidate,
    },
    consumers,
    producers: {
      known: producers.known,
      due: producers.due,
      overdue: producers.overdue,
      first: producers.first.map(({ uuid, address, state, refused, delivery, due }) => ({
        uuid,
        address: address ?? null,
        state,
        refused,
        attempts: delivery.attempts ?? 0,
        lastStatus: delivery.lastStatus,
        due,
      })),
    },
    running: { sync: facts.syncRuns, notify: facts.notifyRuns },
    rounds,
    changes,
    wrongTypes: facts.wrongTypes,
  };
}
