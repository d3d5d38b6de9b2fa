import type { HealthRecord } from '../../lib/store/health-record.ts';
import { createKnowledge, type Knowledge } from './measures/knowledge.ts';
import { createPoison, type Poison } from './measures/poison.ts';
import { createSpread, type Spread } from './measures/spread.ts';
import { createTurns, type Turns } from './measures/turns.ts';
import { createVerdicts, type Verdicts } from './measures/verdicts.ts';
import type { Member } from './member.ts';
import type { Stretch, Watch } from './network.ts';

/** Everything that is measured, and what tells it. Only what honest members know and say is judged. */
export interface Watchers extends Watch {
  /** An entry of a member's `consumers` is written. */
  consumerWritten(member: Member, uuid: string, ip: string, before: string | undefined): void;
  healthWritten(member: Member, uuid: string, record: HealthRecord, before: HealthRecord | undefined): void;
  readonly knowledge: Knowledge;
  readonly verdicts: Verdicts;
  readonly moves: Spread;
  readonly newcomers: Spread;
  readonly poison: Poison;
  readonly turns: Turns;
}

export function createWatchers({
  founders,
  memberOf,
  memberAt,
  nowMs,
  intervalMs,
  partition,
  outage,
  onComplete,
}: {
  founders: readonly Member[];
  memberOf: (uuid: string) => Member | undefined;
  memberAt: (ip: string) => Member | undefined;
  nowMs: () => number;
  intervalMs: number;
  partition: Stretch | undefined;
  outage: Stretch | undefined;
  /** All know all. */
  onComplete: () => void;
}): Watchers {
  const knowledge = createKnowledge(founders, { nowMs, onComplete });
  const verdicts = createVerdicts({ nowMs, intervalMs, partition, outage });
  const moves = createSpread();
  const newcomers = createSpread();
  const poison = createPoison(memberOf);
  const turns = createTurns(nowMs);

  return {
    knowledge,
    verdicts,
    moves,
    newcomers,
    poison,
    turns,
    consumerWritten(member, uuid, ip, before) {
      if (member.poisons || ip === before) return;
      poison.noted(member, { uuid, ip, before });
      const subject = memberOf(uuid);
      if (before !== undefined || subject === undefined) return;
      knowledge.learned(member, uuid);
      newcomers.reached(member, subject, nowMs());
      turns.learned(member, subject);
    },
    healthWritten(member, uuid, record, before) {
      if (member.poisons || (record.state === 'dead') === (before?.state === 'dead')) return;
      const subject = memberOf(uuid);
      if (subject !== undefined) verdicts.changed(member, subject, record);
    },
    called(caller, ip) {
      if (caller.poisons) return;
      poison.called(caller, ip);
      const callee = memberAt(ip);
      if (callee !== undefined) turns.called(caller, callee);
    },
    reached(caller, callee) {
      if (!caller.poisons) moves.reached(caller, callee, nowMs());
    },
  };
}
