import { setTimeout as delay } from 'node:timers/promises';
import { visible } from '../../report/text/escape.ts';
import { describe, succeeded } from './caller.ts';
import { ownIp, plain, seen } from './database-rule.ts';
import { holds, type Rule, unchecked, type Verdict, wrong } from './rule.ts';
import { newUuid, type Subject } from './subject.ts';

/** What a consumer API records of a call. */
export const RECORD_RULES: readonly Rule<Subject>[] = [
  seen('records the IP alone', 'docs/PEERS.md#record-the-ip-alone', async (subject) => {
    const { uuid, from, called } = await introduce(subject);
    if (called !== undefined) return called;
    const entry = await subject.database.entry(uuid);
    if (entry === undefined) {
      return wrong(
        'a consumer that called is not in `consumers`: start the API anew if it has met many in this hour',
      );
    }
    return entry === from
      ? holds(`recorded ${from}`)
      : wrong(`the call came from ${from}, recorded was ${visible(entry)}`);
  }),
  seen(
    'believes X-Forwarded-For from its own proxy alone',
    'docs/PEERS.md#behind-a-proxy',
    async (subject) => {
      const { uuid, from, called } = await introduce(subject, { 'x-forwarded-for': '198.51.100.66' });
      if (called !== undefined) return called;
      const entry = await subject.database.entry(uuid);
      return entry === from
        ? holds('a stranger cannot choose its address by a header')
        : wrong(`a stranger's header made it record ${visible(entry ?? 'nothing')} for a call from ${from}`);
    },
  ),
  seen('writes uuids in lower case', 'docs/PEERS.md#write-uuids-in-lower-case', async (subject) => {
    const uuid = newUuid();
    await subject.call('/sync', { uuid: uuid.toUpperCase() }, { from: subject.sources?.[0] });
    if ((await subject.database.entry(uuid.toUpperCase())) !== undefined)
      return wrong('recorded in capitals');
    return (await subject.database.entry(uuid)) === undefined
      ? wrong('a consumer that sent its uuid in capitals is not recorded')
      : holds('a uuid in capitals is recorded in lower case');
  }),
  seen(
    'records nobody for an empty object',
    'docs/PEERS.md#accept-an-empty-object',
    async ({ call, database }) => {
      const before = await database.count();
      await call('/sync', {});
      return (await database.count()) === before
        ? holds('{} leaves `consumers` as it is')
        : wrong('{} made an entry');
    },
  ),
  seen(
    'leaves an entry with the same IP as it is',
    'docs/PEERS.md#leave-an-entry-with-the-same-ip-as-it-is',
    async (subject) => {
      const uuid = newUuid();
      const from = await ownIp(subject);
      if (from === undefined) return unchecked('it does not answer');
      const planted = `${from}:${subject.peerPort === 8_080 ? 8_081 : 8_080}`;
      await subject.database.plant(uuid, planted);
      await subject.call('/sync', { uuid }, { from: subject.sources?.[0] });
      await delay(200);
      const entry = await subject.database.entry(uuid);
      return entry === planted
        ? holds(`${planted} kept its port`)
        : wrong(`${planted} became ${visible(entry ?? 'nothing')} by a call from ${from}`);
    },
  ),
];

/** Calls as a new consumer. `called` is the verdict if the call failed. */
async function introduce(
  { call, sources }: Subject,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ uuid: string; from: string; called?: Verdict }> {
  const uuid = newUuid();
  const called = await call('/sync', { uuid }, { from: sources?.[0], headers });
  if (!succeeded(called))
    return { uuid, from: '', called: wrong(`a call: ${describe(called)} instead of 2xx`) };
  return { uuid, from: plain(called.from.ip) };
}
