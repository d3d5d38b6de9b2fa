import type { Member } from './member.ts';
import type { Scenario, Start } from './options.ts';
import type { World } from './world.ts';

/** The members of the start, not yet introduced to each other. Node 0 is honest; the poisoners come last. */
export function createFounders(world: World, { nodes, poisoners }: Scenario): Member[] {
  return Array.from({ length: nodes }, (_, index) => world.create({ poisons: index >= nodes - poisoners }));
}

/** Tells each founder of those that it knows at the start. */
export function introduce(founders: readonly Member[], start: Start): void {
  for (const member of founders) {
    for (const other of knownAtStart(member, founders, start)) member.meet(other.uuid, other.ip);
  }
}

function knownAtStart(member: Member, founders: readonly Member[], start: Start): readonly Member[] {
  switch (start) {
    case 'star':
      return founders.slice(0, 1);
    case 'chain':
      return founders.slice(Math.max(0, member.index - 1), member.index);
    case 'mesh':
      return founders;
  }
}
