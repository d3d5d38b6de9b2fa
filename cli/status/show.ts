import type { Facts } from '../../report/facts.ts';
import type { ProducerRow } from '../../report/peers/producer-row.ts';
import type { Change } from '../../report/read/changes.ts';
import { isStale } from '../../report/read/stale.ts';
import type { Verdict } from '../../report/reasons.ts';
import type { Report } from '../../report/report.ts';
import { tallyText, thousands, totalOf } from '../../report/text/count.ts';
import { visible } from '../../report/text/escape.ts';
import { relative, shortDuration, stamp } from '../../report/text/time.ts';
import {
  changeWords,
  failureWords,
  mirrorWords,
  noneWords,
  outdatedMirrorWords,
  producersWords,
  roundWords,
  silenceWords,
  tellingWords,
  unknownChecksWords,
} from '../../report/words.ts';
import { stateCell, uuidCell } from '../peers/list.ts';
import type { Span, Tone } from '../text/line.ts';
import { LABEL_WIDTH, type Screen } from '../text/screen.ts';

const TONES: Readonly<Record<Verdict, Tone>> = { ok: 'good', attention: 'bad', unknown: 'warning' };
const SHOWN_CHANGES = 3;
const SHOWN_ROUNDS = 3;
/** More of a list says nothing at a glance. */
const SHOWN_ROWS = 5;

/** The verdict in a line of at most 80 columns, its reasons as a list, then the facts. */
export function showReport(screen: Screen, { verdict, headline, reasons, facts }: Report): void {
  screen.line([verdict.toUpperCase().padEnd(LABEL_WIDTH), TONES[verdict]], [headline, 'strong']);
  if (reasons.length > 0) screen.line();
  for (const { verdict, text } of reasons) screen.item(text, TONES[verdict]);
  if (facts === undefined) return;
  screen.line();
  showAddress(screen, facts);
  showChanges(screen, facts);
  showProducers(screen, facts);
  showConsumers(screen, facts);
  showRounds(screen, facts);
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
  if (unknownChecks > 0) screen.entry('', unknownChecksWords(unknownChecks));
  if (candidate !== undefined) {
    screen.entry(
      '',
      `${candidate.ip} is contested: ${candidate.checks} of 3 checks have seen it, the last ${ago(candidate.at)}`,
    );
  }
}

function showChanges(screen: Screen, facts: Facts): void {
  const { nowMs, changes } = facts;
  if (changes.length === 0) screen.entry('changes', noneWords(facts, 'none yet'));
  for (const [i, change] of changes.slice(0, SHOWN_CHANGES).entries()) {
    screen.entry(i === 0 ? 'changes' : '', changeText(change, nowMs));
  }
}

function changeText(change: Change, nowMs: number): string {
  const { at, telling } = change;
  return `${relative(at, nowMs)}: ${changeWords(change)}${telling === undefined ? '' : `, ${tellingWords(telling, at)}`}`;
}

function showProducers(screen: Screen, facts: Facts): void {
  const { producers, register, nowMs } = facts;
  const { known, due, first } = producers;
  const all = `${thousands(known)} known, ${producersWords(facts)}`;
  screen.entry('producers', known === 0 ? noneWords(facts, all) : all);
  for (const row of head(first, due)) {
    screen.line(' '.repeat(LABEL_WIDTH), ...waiting(row, { nowMs, epoch: register.epoch }));
  }
  const more = due - head(first, due).length;
  if (more > 0) screen.entry('', `and ${thousands(more)} more: p2p producers`, 'dim');
}

/** The first rows; one more rather than a line that says "and 1 more". */
function head<Row>(rows: readonly Row[], total: number): readonly Row[] {
  return rows.slice(0, total === SHOWN_ROWS + 1 ? total : SHOWN_ROWS);
}

function waiting(row: ProducerRow, { nowMs, epoch }: { nowMs: number; epoch: number | undefined }): Span[] {
  const { uuid, address, state, due } = row;
  const cell = stateCell(state);
  const padded: Span = typeof cell === 'string' ? cell.padEnd(9) : [cell[0].padEnd(9), cell[1]];
  const why = visible(failureWords(row, epoch), 20);
  const next = due === undefined ? '' : due <= nowMs ? 'due now' : `in ${shortDuration(due - nowMs)}`;
  return [
    `${uuidCell(uuid, false).padEnd(8)}  `,
    `${visible(address ?? '-', 21).padEnd(21)}  `,
    padded,
    [why, next].filter(Boolean).join(', '),
  ];
}

function showConsumers(screen: Screen, facts: Facts): void {
  const { nowMs, register, consumers, mirror, rounds } = facts;
  const { known, heardOf, states, refused, countedAt, unusable } = consumers;
  const heard = heardOf === 0 ? '' : `; ${thousands(heardOf)} more heard of`;
  if (states === undefined) {
    const all = `${thousands(known)} known, their states unknown${heard}`;
    screen.entry('consumers', known === 0 ? noneWords(facts, all) : all, 'warning');
  } else {
    const { alive, suspect, dead, new: fresh, unknown } = states;
    const counts = [
      `${thousands(alive)} alive`,
      `${thousands(suspect)} suspect`,
      `${thousands(dead)} dead`,
      `${thousands(fresh)} new`,
      ...(unknown > 0 ? [`${thousands(unknown)} unknown`] : []),
      ...(states.unusable > 0 ? [`${thousands(states.unusable)} unusable`] : []),
    ];
    screen.entry('consumers', `${thousands(known)} known: ${counts.join(', ')}${heard}`);
  }
  if (countedAt !== undefined) {
    screen.entry('', `as of the round ${relative(countedAt, nowMs)}; --all counts now`, 'dim');
  }
  const total = totalOf(refused);
  for (const { uuid, address, refused } of head(unusable, total)) {
    screen.line(
      ' '.repeat(LABEL_WIDTH),
      `${uuidCell(uuid, false).padEnd(8)}  ${visible(address, 21).padEnd(21)}  `,
      ['unusable ', 'bad'],
      `${refused ?? ''}`,
    );
  }
  const more = total - head(unusable, total).length;
  if (more > 0) {
    const what = unusable.length === 0 ? `unusable: ${tallyText(refused)}` : `and ${thousands(more)} more`;
    screen.entry('', `${what}; p2p consumers --state unusable`, 'dim');
  }
  const silence = silenceWords(rounds);
  if (silence !== undefined) screen.entry('', silence, 'warning');
  if (mirror === undefined) return;
  const outdated = outdatedMirrorWords(facts);
  if (outdated !== undefined) {
    screen.entry('peers say', `unknown by now: ${outdated}`, 'warning');
    return;
  }
  for (const [i, said] of mirrorWords(mirror, register.current ?? 'here').entries()) {
    screen.entry(i === 0 ? 'peers say' : '', said);
  }
}

function showRounds(screen: Screen, facts: Facts): void {
  const { nowMs, rounds, syncRuns, syncEveryMs } = facts;
  if (syncRuns) screen.entry('rounds', 'one is running');
  else if (rounds.length === 0) screen.entry('rounds', noneWords(facts, 'none yet'));
  for (const [i, round] of rounds.slice(0, SHOWN_ROUNDS).entries()) {
    const old = i === 0 && !syncRuns && isStale(round.at, syncEveryMs, nowMs);
    screen.entry(
      i === 0 && !syncRuns ? 'rounds' : '',
      `${relative(round.at, nowMs)}: ${roundWords(round)}`,
      old ? 'warning' : undefined,
    );
  }
}
