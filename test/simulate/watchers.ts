import { createKnowledge, type Knowledge } from './measures/knowledge.ts';
import { createPoison, type Poison } from './measures/poison.ts';
import { createSpread, type Spread } from './measures/spread.ts';
import { createTurns, type Turns } from './measures/turns.ts';
import { createVerdicts, saysDead, type Verdicts } from './measures/verdicts.ts';
import { KEYS, type Member } from './member.ts';
import type { Stretch, Watch } from './network.ts';

/** Everything that is measured, and what tells it. Only what honest members know and say is judged. */
export interface Watchers extends Watch {
  /** A field of a member's Redis is written. */
  wrote(member: Member, key: string, field: string, value: string, before: string | undefined): void;
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
    wrote(member, key, field, value, before) {
      if (member.poisons) return;
      if (key === KEYS.health) {
        if (saysDead(value) === saysDead(before)) return;
        const subject = memberOf(field);
        if (subject !== undefined) verdicts.changed(member, subject, value);
      } else if (key === KEYS.consumers && value !== before) {
        poison.noted(member, { uuid: field, ip: value, before });
        const subject = memberOf(field);
        if (before !== undefined || subject === undefined) return;
        knowledge.learned(member, field);
        newcomers.reached(member, subject, nowMs());
        turns.learned(member, subject);
      }
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
