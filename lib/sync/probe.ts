import type { HealthError } from '../store/health-record.ts';
import { type Answer, resultFor } from './answer.ts';
import type { Round } from './context.ts';
import type { AddressGroup, Entry } from './page.ts';

/** What the calls to one address came to. */
export interface Probed {
  readonly group: AddressGroup;
  /** When the first call began, by the monotonic clock. */
  readonly beganMs: number;
  readonly first: Answer;
  /** Of the second call, where there was one. `untried` if one was wanted and could not be made. */
  readonly second?: Answer;
}

/** Failures of the network, which a second call may not find again. */
const PASSING: readonly HealthError[] = ['timeout', 'refused', 'reset', 'unreachable'];

/**
 * Calls an address once; and a second time, some seconds later, if the call failed by the network and somebody there is
 * not dead, or if this machine could not make it. One lost call says nothing, also about one that has never answered.
 */
export async function probeGroup(group: AddressGroup, round: Round): Promise<Probed> {
  const { calls, witness } = round;
  const { tally } = round.findings;
  const { address } = group;
  const { answer: first, beganMs } = await calls.probe(address);
  if (first.kind === 'untried' && !first.local) return { group, beganMs, first };
  tally.probes += 1;
  if (first.kind !== 'untried') {
    const succeeded = isAlive(first, group);
    if (succeeded) witness.answered(address.ip);
    if (group.entries.some(({ due, health }) => due && health?.state !== 'dead')) {
      witness.tried(address.ip, !succeeded);
    }
    if (succeeded || first.kind === 'answered' || !PASSING.includes(first.error))
      return { group, beganMs, first };
    if (!group.entries.some(wantsSecond)) return { group, beganMs, first };
  }
  const again = await calls.probeAgain(address);
  if (again.answer.kind !== 'untried') {
    tally.secondProbes += 1;
    if (isAlive(again.answer, group)) witness.answered(address.ip);
  }
  return {
    group,
    beganMs: first.kind === 'untried' ? again.beganMs : beganMs,
    first,
    second: again.answer,
  };
}

/** What the calls say about one consumer at the address. */
export function answerFor({ first, second }: Probed, entry: Entry): Answer {
  if (second === undefined) return first;
  // Without a second call there is no verdict on one that is not dead.
  return second.kind === 'untried' && !wantsSecond(entry) ? first : second;
}

/** Whether one failure by the network is not enough for a verdict. */
function wantsSecond({ due, health }: Entry): boolean {
  return due && health?.state !== 'dead';
}

function isAlive(answer: Answer, { entries }: AddressGroup): boolean {
  if (answer.kind !== 'answered') return false;
  return entries.some(
    ({ record, health }) => resultFor(answer, record.uuid, health?.named === true).kind !== 'failed',
  );
}
