import type { Random } from '../chaos/random.ts';
import type { EventLoop } from './event-loop.ts';
import { KEYS, type Member } from './member.ts';
import type { Scenario } from './options.ts';
import type { Watchers } from './watchers.ts';
import type { World } from './world.ts';

const HOUR_MS = 3_600_000;

/** What befalls the honest members: they leave for good, others come in their place, and they change their addresses. */
export interface Happenings {
  /** From now on things happen, at random moments. Only the first call counts. */
  begin(): void;
  readonly leavers: number;
  /** Members that got an address which another had before it, times those that take it for their own ever since. */
  readonly barred: number;
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
  let barred = 0;
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
    // A scheduler does not call its own address, nor the one before: it never calls who has that now.
    const isBarred = (each: Member) => each.store.field(KEYS.ip, 'previous') === mover.ip;
    const know = honest().filter((each) => watchers.turns.knows(each, mover));
    for (const each of know.filter(isBarred)) {
      barred += 1;
      watchers.turns.excuse(each, mover);
    }
    // Who does not know it yet learns of it at its new address anyway.
    watchers.moves.begin(
      mover,
      know.filter((each) => !isBarred(each)),
      loop.nowMs,
    );
  };
  const repeat = (anHour: number, draw: Random, act: (draw: Random) => void) => {
    if (anHour <= 0) return;
    const next = () => {
      const inMs = (-Math.log(1 - draw.next()) * HOUR_MS) / anHour;
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
    get barred() {
      return barred;
    },
    begin() {
      if (begun) return;
      begun = true;
      repeat(scenario.churn * scenario.nodes, random.fork('leaves'), leaveAndJoin);
      repeat(scenario.moves, random.fork('moves'), move);
    },
  };
}
