import { setImmediate as nextTurn } from 'node:timers/promises';
import type { VirtualClock } from '../support/clock.ts';
import { count, type Tally } from './tally.ts';

/** A moment of a run, for those who want to know what happened. Times are ms since its start. */
export interface Moment {
  readonly atMs: number;
  readonly realMs: number;
  readonly text: string;
}

/** What goes on in a run: the work under way, what is planned to go wrong in the middle of it, and what has happened. */
export interface Bustle {
  readonly timeline: readonly Moment[];
  note(text: string): void;
  /** Something goes wrong on purpose: counted and noted. */
  fault(kind: string): void;
  /** Work that `settle` waits for. Its failure is a finding: nothing here may fail by itself. */
  track(work: Promise<unknown>): void;
  /** One more thing has happened: whatever was planned for this moment is done. */
  happened(): void;
  /** Does `action` after so many things have happened from now on, unless `settle` ends before. */
  plan(afterEvents: number, action: () => unknown): void;
  /** Waits until no work is under way, and drops what was planned and has not happened. */
  settle(): Promise<void>;
}

export function createBustle(clock: VirtualClock, tally: Tally): Bustle {
  const timeline: Moment[] = [];
  const busy = new Set<Promise<unknown>>();
  const startedMs = clock.nowMs();
  const startedRealMs = Date.now();
  let planned: { left: number; readonly action: () => unknown }[] = [];

  const note = (text: string) => {
    timeline.push({ atMs: clock.nowMs() - startedMs, realMs: Date.now() - startedRealMs, text });
  };
  const track = (work: Promise<unknown>) => {
    const tracked = work
      .catch((error: unknown) => {
        tally.findings.brokenRuns += 1;
        note(`BROKEN: ${error instanceof Error ? error.stack : error}`);
      })
      .finally(() => busy.delete(tracked));
    busy.add(tracked);
  };
  return {
    timeline,
    note,
    fault(kind) {
      count(tally.faults, kind);
      note(kind);
    },
    track,
    happened() {
      for (const plan of planned) plan.left -= 1;
      const now = planned.filter(({ left }) => left <= 0);
      planned = planned.filter(({ left }) => left > 0);
      for (const { action } of now) track(Promise.resolve(action()));
    },
    plan(afterEvents, action) {
      planned.push({ left: afterEvents, action });
    },
    async settle() {
      while (busy.size > 0) await Promise.all(busy);
      planned = [];
      // What a process wrote before it died has arrived by then, and is read: nothing of it is under way any more.
      for (let turn = 0; turn < 6; turn++) await nextTurn();
    },
  };
}
