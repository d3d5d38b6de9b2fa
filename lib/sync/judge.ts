import type { HealthRecord } from '../store/health-record.ts';
import type { PageWrite } from '../store/rounds.ts';
import { type Answer, resultFor } from './answer.ts';
import type { Round } from './context.ts';
import { healthAfterAnswer, healthAfterFailure, rankOf, stateOf } from './health.ts';
import type { Entry, HomeVisit, Page } from './page.ts';
import { answerFor, type Probed } from './probe.ts';
import { increment } from './summary.ts';
import type { FailedCall } from './witness.ts';

/** How long a home is left alone after each visit, ms. */
const HOME_EVERY_MS = 3_600_000;

/** What the calls of a page came to. */
export interface PageProbes {
  readonly probed: readonly Probed[];
  readonly homes: readonly Visited[];
}

/** A call to the address at which a consumer was before it moved by hearsay. */
export interface Visited {
  readonly visit: HomeVisit;
  readonly answer: Answer;
}

/** The verdicts on a page. */
export interface Judged {
  readonly health: PageWrite['health'];
  /** Whether everything that was called failed, and nothing showed that our own network works. */
  readonly outage: boolean;
}

/** Decides what the calls of a page say about its consumers, and takes note of all that was found out. */
export async function judgePage(page: Page, { probed, homes }: PageProbes, round: Round): Promise<Judged> {
  const { witness, invocation, findings, host, time } = round;
  const { tally } = findings;
  const failures: { readonly entry: Entry; readonly call: FailedCall }[] = [];
  const next = new Map<Entry, HealthRecord>();

  for (const each of probed) {
    for (const entry of each.group.entries) {
      const answer = answerFor(each, entry);
      const names = answer.kind === 'answered' ? answer.reply.names : undefined;
      if (!entry.due && entry.record.uuid !== names) continue;
      if (answer.kind === 'untried') {
        if (each.first.kind !== 'untried') tally.unjudged += 1;
        continue;
      }
      const { record, health } = entry;
      const result = resultFor(answer, record.uuid, health?.named === true);
      if (result.kind === 'failed') {
        const { beganMs } = each;
        failures.push({ entry, call: { ip: record.address.ip, error: result.error, beganMs } });
      } else {
        next.set(entry, healthAfterAnswer(health, result, { address: record.raw, nowMs: round.nowMs() }));
      }
    }
    listen(each, round);
  }

  await witness.askSources(
    failures.map(({ call }) => call),
    invocation.signal,
  );
  let unwitnessed = 0;
  for (const { entry, call } of failures) {
    increment(tally.errors, call.error);
    const weight = witness.weigh(call);
    if (weight === 'no-witness') unwitnessed += 1;
    if (weight === 'no-witness' || weight === 'no-route') {
      tally.unjudged += 1;
      continue;
    }
    const after = healthAfterFailure(entry.health, call.error, weight === 'counted', {
      address: entry.record.raw,
      nowMs: round.nowMs(),
      intervalMs: time.intervalMs,
      random: host.random(),
    });
    if (after !== entry.health) next.set(entry, after);
  }
  if (unwitnessed > 0) tally.inconclusive = true;

  for (const visited of homes) goHome(visited, next, round);
  for (const entry of page.entries) note(entry, next.get(entry) ?? entry.health, round);
  const beganMs = Math.min(...failures.map(({ call }) => call.beganMs));
  return {
    health: [...next].map(([{ record }, health]) => ({ field: record.field, record: health })),
    outage: unwitnessed > 0 && unwitnessed === failures.length && !witness.heardSince(beganMs),
  };
}

/** Takes note of whom an answer tells about: those it introduces, or whoever named itself in place of another. */
function listen({ group, first, second }: Probed, { findings, isOurs, mayBeNamed }: Round): void {
  const answer = second?.kind === 'answered' ? second : first;
  if (answer.kind !== 'answered') return;
  const { address, entries } = group;
  const { names, heard, you } = answer.reply;
  const speaker = entries.find(
    ({ record, health }) => resultFor(answer, record.uuid, health?.named === true).kind !== 'failed',
  );
  if (speaker !== undefined) {
    findings.mirror.add(address.ip, you);
    if (heard.length > 0) findings.tally.introducing += 1;
    const named = heard.filter((told) => mayBeNamed(told.address) && !isOurs(told.uuid, told.address));
    findings.hearsay.add(named, { uuid: speaker.record.uuid, address });
    return;
  }
  const expected = entries[0]?.record;
  if (names === undefined || names === 'unreadable' || expected === undefined || isOurs(names, address))
    return;
  findings.hearsay.add([{ uuid: names, address, raw: expected.raw }], { uuid: expected.uuid, address });
}

/** A consumer that had moved by hearsay goes back if it answers where it was; else that is looked at an hour later. */
function goHome(
  { visit: { entry }, answer }: Visited,
  next: Map<Entry, HealthRecord>,
  { findings, nowMs }: Round,
): void {
  const record = next.get(entry) ?? entry.health;
  if (answer.kind === 'untried' || record?.home === undefined) return;
  if (answer.kind === 'failed' || answer.reply.names !== entry.record.uuid) {
    next.set(entry, { ...record, homeDue: nowMs() + HOME_EVERY_MS });
    return;
  }
  next.delete(entry);
  const { field, raw } = entry.record;
  const result = { kind: 'alive', rttMs: 0, named: true } as const;
  const health = healthAfterAnswer(undefined, result, { address: record.home, nowMs: nowMs() });
  findings.discoveries.push({ kind: 'return', move: { field, from: raw, health } });
}

/** Counts a consumer by what is known about it now, and says what happened to it. */
function note(entry: Entry, now: HealthRecord | undefined, { findings }: Round): void {
  const { tally, introductions, news, hearsay, worst } = findings;
  const { record, health, moved } = entry;
  const [before, after] = [stateOf(health), stateOf(now)];
  tally.states[after] += 1;
  introductions.add(record, now);
  worst.add(record.field, rankOf(after, now));
  const consumer = { uuid: record.uuid, address: record.raw };
  if (after === 'dead' && before !== 'dead') news.add('died', consumer);
  else if (after === 'alive' && before === 'dead') {
    hearsay.know([record.uuid]);
    news.add('came back', consumer);
  } else if (after === 'alive' && before === 'new') news.add(moved ? 'moved' : 'joined', consumer);
}
