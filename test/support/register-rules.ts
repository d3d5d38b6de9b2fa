import type { Return } from '../../lib/ip/damping.ts';
import type { Verdict } from '../../lib/ip/decide.ts';
import { parseEpoch, parseRegister, type Register } from '../../lib/ip/register.ts';
import type { Ip } from '../../lib/peers/ip-space.ts';
import { DAY, HOUR, MINUTE } from './clock.ts';

/** A check between its two trips, as the rules see it. */
export interface Held {
  readonly ticket: number;
  readonly epoch: number;
  readonly beganMs: number;
}

/** The rules once more, in other words and in another language, with nothing of Redis in them. */
export class Rules {
  ticket = 0;
  recorded = 0;
  epoch = 0;
  current: Ip | undefined;
  previous: Ip | undefined;
  candidate: { ip: Ip; checks: number; at: number } | undefined;
  unknown = 0;
  /** Entries of the history: a change each, and one a day about damping. */
  entries = 0;
  answering: number | undefined;
  /** When each address was last ours. */
  readonly until = new Map<Ip, number>();
  /** When each quick return that was used is given back. */
  debts: number[] = [];
  /** The budget of quick returns that `damping` has left, where it is used. */
  budget: { returns: number; returnsAt: number | undefined } = { returns: 0, returnsAt: undefined };
  warned: number | undefined;
  damped: number | undefined;

  take(nowMs: number): Held {
    this.ticket = Math.max(this.ticket, this.recorded) + 1;
    return { ticket: this.ticket, epoch: this.epoch, beganMs: nowMs };
  }

  /** What a check would read of this register. */
  get register(): Register {
    return {
      ...parseRegister([]).register,
      ticket: this.ticket,
      current: this.current,
      previous: this.previous,
      epoch: parseEpoch(this.epoch),
      since: this.epoch,
      candidate: this.candidate,
      answering: this.answering,
      recent: [...this.until].map(([ip, until]) => ({ ip, until })).slice(-8),
      ...this.budget,
    };
  }

  /** `damping` is what is to be believed about quick returns; without it the rules decide that by themselves. */
  record(
    held: Held,
    verdict: Verdict,
    answering: number | undefined,
    nowMs: number,
    damping?: Return,
  ): string {
    const ip = 'ip' in verdict ? verdict.ip : undefined;
    const ownCommit =
      ip !== undefined && ip === this.current && this.epoch === Math.max(held.epoch + 1, nowMs);
    if (held.ticket === this.recorded && ownCommit) return 'repeated';
    if (held.ticket <= this.recorded || held.ticket > this.ticket || held.epoch !== this.epoch)
      return 'stale';
    this.recorded = held.ticket;
    const outcome = this.#judge(held, verdict, nowMs, damping);
    this.unknown = outcome === 'unknown' ? this.unknown + 1 : 0;
    this.answering = answering ?? this.answering;
    return outcome;
  }

  /** Whether a warning that is called for at `nowMs` is given. */
  warns(nowMs: number): boolean {
    if (this.warned !== undefined && nowMs - this.warned < DAY) return false;
    this.warned = nowMs;
    return true;
  }

  commit(ip: Ip, nowMs: number): void {
    if (this.current !== undefined && this.current !== ip) {
      this.previous = this.current;
      this.until.set(this.current, nowMs);
    }
    this.until.delete(ip);
    this.current = ip;
    this.epoch = Math.max(this.epoch + 1, nowMs);
    this.candidate = undefined;
    this.entries += 1;
  }

  #judge(held: Held, verdict: Verdict, nowMs: number, damping: Return | undefined): string {
    switch (verdict.kind) {
      case 'unknown':
        return 'unknown';
      case 'voice':
        return this.candidate === undefined ? 'confirmed' : 'unknown';
      case 'quorum':
        this.candidate = undefined;
        return 'confirmed';
      case 'change':
        return this.#change(verdict.ip, nowMs, damping);
      case 'counts':
        return this.#count(held, verdict.ip, nowMs, damping);
    }
  }

  #change(ip: Ip, nowMs: number, damping: Return | undefined): string {
    const until = this.until.get(ip);
    if (damping !== undefined) {
      if (damping.kind === 'waits') return 'damped';
      if (damping.kind === 'taken') this.budget = damping;
    } else if (until !== undefined && nowMs - until <= DAY) {
      this.debts = this.debts.filter((backAt) => backAt > nowMs);
      if (this.debts.length >= 4) {
        if (this.damped === undefined || nowMs - this.damped >= DAY) {
          this.damped = nowMs;
          this.entries += 1;
        }
        return 'damped';
      }
      this.debts.push(Math.max(nowMs, this.debts.at(-1) ?? 0) + HOUR);
    }
    this.commit(ip, nowMs);
    return 'changed';
  }

  #count({ beganMs }: Held, ip: Ip, nowMs: number, damping: Return | undefined): string {
    const age = this.candidate?.ip === ip ? beganMs - this.candidate.at : undefined;
    if (this.candidate === undefined || age === undefined || age > 10 * MINUTE) {
      this.candidate = { ip, checks: 1, at: nowMs };
      return 'counted';
    }
    if (age < 20_000) return 'waiting';
    if (this.candidate.checks < 2) {
      this.candidate = { ip, checks: this.candidate.checks + 1, at: nowMs };
      return 'counted';
    }
    const outcome = this.#change(ip, nowMs, damping);
    if (outcome === 'damped') this.candidate = { ip, checks: 2, at: nowMs };
    return outcome;
  }
}
