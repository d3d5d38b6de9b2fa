import type { FaceCommand } from '../../local/redis/rest-command.ts';
import type { UpstreamReply, UpstreamSlot } from '../../local/redis/upstream.ts';
import type { VirtualClock } from '../support/clock.ts';
import type { Connection } from './connection.ts';
import { KEYS } from './scripts.ts';

/** A change that was committed. */
export interface Commit {
  readonly epoch: number;
  readonly ip: string;
  /** Virtual time. */
  readonly at: number;
  /** Who has to get it: who was listed at that moment, and who had a delivery right after it. */
  readonly owed: ReadonlySet<string>;
}

/** Sees each commit in Redis itself, whatever becomes of the reply. */
export interface CommitLog {
  readonly commits: readonly Commit[];
  /** What was wrong with the epochs since the last time, in words. */
  takeFaults(): readonly string[];
  /** Carries out commands that may commit, and looks right before and after them, in the same breath. */
  watch(
    connection: Connection,
    commands: readonly FaceCommand[],
    listed: ReadonlySet<string>,
  ): Promise<UpstreamSlot[]>;
  /** After a connection was lost: whether something was committed that nobody saw. */
  catchUp(connection: Connection, listed: ReadonlySet<string>): Promise<void>;
  /** Forgets everything, for an empty Redis. */
  reset(): void;
}

const REGISTER: FaceCommand = ['HMGET', KEYS.ip, 'epoch', 'current'];
const DUE: FaceCommand = ['ZRANGE', KEYS.due, '0', '-1'];

export function createCommitLog(clock: VirtualClock): CommitLog {
  let commits: Commit[] = [];
  let faults: string[] = [];
  /** The epochs as they were read, for whoever has to find out. */
  let seen: string[] = [];
  /** Who was listed whenever something was sent whose answer did not come. */
  let unseen: ReadonlySet<string> | undefined;
  let inTurn: Promise<unknown> = Promise.resolve();

  const note = (where: string, register: UpstreamReply, owed: ReadonlySet<string>) => {
    const [epoch, ip] = textsOf(register);
    seen.push(`${where}: ${epoch}`);
    const last = commits.at(-1)?.epoch ?? 0;
    if (epoch === undefined || ip === undefined || Number(epoch) === last) return;
    if (Number(epoch) < last) faults.push(`epoch ${epoch} after ${last} (${seen.slice(-9).join(', ')})`);
    commits.push({ epoch: Number(epoch), ip, at: clock.nowMs(), owed });
  };
  const unsure = (listed: ReadonlySet<string>) =>
    unseen === undefined ? listed : new Set([...unseen].filter((uuid) => listed.has(uuid)));

  return {
    get commits() {
      return commits;
    },
    takeFaults() {
      const taken = faults;
      faults = [];
      return taken;
    },
    async watch(connection, commands, listed) {
      const before = new Set(listed);
      const sent = connection.pipeline([REGISTER, ...commands, REGISTER, DUE]);
      sent.catch(() => {});
      // Answers come in the order of the requests, but an error among them takes a moment longer to get here.
      const mine = inTurn.then(() => sent);
      inTurn = mine.catch(() => {});
      try {
        const slots = await mine;
        const [then, now, due] = [slots.at(0), slots.at(-2), slots.at(-1)].map((slot) =>
          slot !== undefined && 'reply' in slot ? slot.reply : null,
        );
        note('before', then ?? null, unsure(before));
        note('after', now ?? null, new Set([...before, ...textsOf(due ?? null)]));
        unseen = undefined;
        return slots.slice(1, -2);
      } catch (error) {
        unseen = unsure(before);
        seen.push('no answer');
        throw error;
      }
    },
    async catchUp(connection, listed) {
      const [slot] = await connection.pipeline([REGISTER]);
      if (slot !== undefined && 'reply' in slot) note('reconnected', slot.reply, unsure(new Set(listed)));
      unseen = undefined;
    },
    reset() {
      commits = [];
      faults = [];
      seen = [];
      unseen = undefined;
    },
  };
}

/** The strings of an array reply. */
export function textsOf(reply: UpstreamReply): string[] {
  return Array.isArray(reply) ? reply.flatMap((part) => (part === null ? [] : [String(part)])) : [];
}
