import type { Random } from '../chaos/random.ts';
import { HOUR } from '../support/clock.ts';
import type { EventLoop } from './event-loop.ts';
import type { Member } from './member.ts';
import type { Scenario } from './options.ts';
import type { Watchers } from './watchers.ts';
import type { World } from './world.ts';

/** What befalls the honest members: they leave for good, others come in their place, and they change their addresses. */
export interface Happenings {
  /** From now on things happen, at random moments. Only the first call counts. */
  begin(): void;
  readonly leavers: number;
}

/** Each kind is a Poisson process with a random stream of its own: more moves are not other leavings. */
export function createHappenings({
  scenario,
  world,
  watchers,
  loop,
  random,
  lastMs,
  endMs,
}: {
  scenario: Scenario;
  world: World;
  watchers: Watchers;
  loop: EventLoop;
  random: Random;
  /** Nothing happens from then on. */
  lastMs: number;
  endMs: number;
}): Happenings {
  let begun = false;
  let leavers = 0;
  const honest = () => world.living().filter(({ poisons }) => !poisons);
  const someone = (draw: Random): Member => {
    const [first, ...rest] = honest();
    if (first === undefined) throw new Error('Nobody honest is left.');
    return draw.pick([first, ...rest]);
  };

  const leaveAndJoin = (draw: Random) => {
    const leaver = someone(draw);
    leavers += 1;
    world.leave(leaver);
    watchers.moves.left(leaver, loop.nowMs);
    watchers.newcomers.left(leaver, loop.nowMs);
    const introducer = someone(draw);
    const newcomer = world.create({ poisons: false });
    watchers.newcomers.begin(newcomer, honest(), loop.nowMs);
    newcomer.meet(introducer.uuid, introducer.ip);
    world.start(newcomer, endMs);
  };
  const move = (draw: Random) => {
    const mover = someone(draw);
    world.move(mover);
    const know = honest().filter((each) => watchers.turns.knows(each, mover));
    // Who does not know it yet learns of it at its new address anyway.
    watchers.moves.begin(mover, know, loop.nowMs);
  };
  const repeat = (anHour: number, draw: Random, act: (draw: Random) => void) => {
    if (anHour <= 0) return;
    const next = () => {
      const inMs = (-Math.log(1 - draw.next()) * HOUR) / anHour;
      if (loop.nowMs + inMs >= lastMs) return;
      loop.after(inMs, () => {
        act(draw);
        next();
      });
    };
    next();
  };

  return {
    get leavers() {
      return leavers;
    },
    begin() {
      if (begun) return;
      begun = true;
      repeat(scenario.churn * scenario.nodes, random.fork('leaves'), leaveAndJoin);
      repeat(scenario.moves, random.fork('moves'), move);
    },
  };
}
