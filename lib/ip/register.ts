import { type Ip, parseIp } from '../peers/ip-space.ts';
import type { Reply } from '../redis/redis.ts';
import { pairsOf, wholeOf } from '../store/replies.ts';

declare const epochBrand: unique symbol;

/** The version of our address: it only grows, and is of the size of a time in milliseconds. */
export type Epoch = number & { readonly [epochBrand]: true };

/** An address that was ours, and when it ceased to be. */
export interface FormerAddress {
  readonly ip: Ip;
  readonly until: number;
}

/** A contested change, and a return to the previous address, needs so many checks. */
export const CHECKS_NEEDED = 3;

/** Reads an epoch from Redis, a payload or a person. Undefined if it is not one. */
export function parseEpoch(raw: unknown): Epoch | undefined {
  const epoch = wholeOf(typeof raw === 'number' ? String(raw) : raw) ?? 0;
  return epoch > 0 ? (epoch as Epoch) : undefined;
}

/**
 * The hash `ip`: our current address and the state of the checks. Times are milliseconds by Redis's clock. A field
 * that is absent or cannot be used is undefined, a counter 0.
 */
export type Register = ReturnType<typeof parseRegister>['register'];

/**
 * Reads HGETALL's reply, a flat list of names and values. Each field is read by itself: a value that cannot be used
 * counts as absent, and its name is listed in `poisoned`. Never throws.
 */
export function parseRegister(reply: Reply | undefined) {
  const fields = new Map(pairsOf(reply));
  const poisoned: string[] = [];

  const take = <T>(name: string, parse: (raw: string) => T | undefined): T | undefined => {
    const raw = fields.get(name);
    if (raw === undefined) return undefined;
    const value = parse(raw);
    if (value === undefined) poisoned.push(name);
    return value;
  };
  const number = (name: string) => take(name, wholeOf);

  const candidateIp = take('candidate', parseIp);
  const candidateAt = number('candidateAt');
  const candidateChecks = take('candidateChecks', (raw) => {
    const checks = wholeOf(raw) ?? 0;
    return checks >= 1 && checks < CHECKS_NEEDED ? checks : undefined;
  });

  const current = take('current', parseIp);
  const epoch = take('epoch', parseEpoch);
  const previous = take('previous', parseIp);
  const since = number('since');

  const register = {
    /**
     * Our address. Without a usable epoch it could not be delivered: then it counts as absent, and the next check commits
     * it again.
     */
    current: epoch === undefined ? undefined : current,
    /** The address before `current`. */
    previous,
    /** The version of `current`; undefined as long as there has been none. */
    epoch,
    /** When `current` was committed. */
    since,
    /** The last ticket handed out. */
    ticket: number('ticket') ?? 0,
    /** The ticket of the last check that was recorded. */
    recorded: number('recorded') ?? 0,
    /** A contested new address: how many checks have counted for it, and when the last of them was recorded. */
    candidate:
      candidateIp !== undefined && candidateChecks !== undefined && candidateAt !== undefined
        ? { ip: candidateIp, checks: candidateChecks, at: candidateAt }
        : undefined,
    /** The last check that was recorded. */
    checkedAt: number('checkedAt'),
    /** The last check that confirmed `current`. */
    verifiedAt: number('verifiedAt'),
    /** Recorded checks in a row that found nothing out. */
    unknownChecks: number('unknownChecks') ?? 0,
    /** How many operators answered when all were asked last; undefined where version 1 wrote the register. */
    answering: number('answering'),
    /** The addresses before `current`, the last one first, eight at most. */
    recent: take('recent', parseRecent) ?? recentOf(previous, since),
    /** Quick returns that count against their budget at `returnsAt` (see `quickReturn`). */
    returns: number('returns') ?? 0,
    returnsAt: number('returnsAt'),
    /** When it was last reported that a return to a former address waits. */
    dampedAt: number('dampedAt'),
    /** How many producers acknowledged `epoch`. */
    told: number('told'),
    /** When the first producer acknowledged `epoch`. */
    firstAck: number('firstAck'),
    /** When the last producer acknowledged `epoch`. */
    lastAck: number('lastAck'),
  } as const;
  return { register, poisoned };
}

/** Reads what the commit writes: `address@until`, with spaces between. */
function parseRecent(raw: string): readonly FormerAddress[] | undefined {
  const recent: FormerAddress[] = [];
  for (const entry of raw.split(' ').filter((part) => part !== '')) {
    const [address, time] = entry.split('@');
    const [ip, until] = [parseIp(address), wholeOf(time)];
    if (ip === undefined || until === undefined) return undefined;
    recent.push({ ip, until });
  }
  return recent;
}

/** Version 1 kept one former address, which was current until the present one was committed. */
function recentOf(previous: Ip | undefined, since: number | undefined): readonly FormerAddress[] {
  return previous === undefined || since === undefined ? [] : [{ ip: previous, until: since }];
}
