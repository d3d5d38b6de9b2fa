import type { Database } from './database.ts';
import { type Rule, unchecked, type Verdict } from './rule.ts';
import type { Subject } from './subject.ts';

/** A subject whose database is at hand. */
export interface Seen extends Subject {
  readonly database: Database;
}

/** A rule about what a consumer API reads from and writes to Redis. Without its database it is unchecked. */
export function seen(
  rule: string,
  docs: Rule<Subject>['docs'],
  check: (subject: Seen) => Promise<Verdict>,
): Rule<Subject> {
  return {
    rule,
    docs,
    async check(subject) {
      const { database } = subject;
      return database === undefined ? unchecked('give --redis to see it') : check({ ...subject, database });
    },
  };
}

/** The address from which this check calls, as the peer sees it. */
export async function ownIp({ call, sources }: Subject): Promise<string | undefined> {
  const called = await call('/sync', {}, { from: sources?.[0] });
  return called.kind === 'reply' ? plain(called.from.ip) : undefined;
}

/** An address as a peer that unwraps mapped ones sees it. */
export function plain(ip: string): string {
  return ip.replace(/^::ffff:(?=\d+\.)/, '');
}
