import { visible } from '../../report/text/escape.ts';
import { describe, succeeded } from './caller.ts';
import { ownIp, seen } from './database-rule.ts';
import { elsewhere, forgeries } from './forgeries.ts';
import { holds, optional, type Rule, unchecked, wrong } from './rule.ts';
import { newUuid, type Subject } from './subject.ts';

/** How long Redis serves nobody. Longer than the deadline of a call. */
const PAUSE_MS = 4_000;

/** What a consumer API takes from its scheduler and leaves to it, and how it does without Redis. */
export const SCHEDULER_RULES: readonly Rule<Subject>[] = [
  seen(
    'names whom the scheduler suggests',
    'docs/PEERS.md#name-consumers',
    async ({ call, database, seen: { uuid: own } }) => {
      const [caller, first, second] = [newUuid(), newUuid(), newUuid()];
      const suggested = [
        { uuid: caller, ip: '198.51.100.7' },
        { uuid: first, ip: '198.51.100.8' },
        { uuid: second, ip: '198.51.100.9:8080' },
        ...(own === undefined ? [] : [{ uuid: own, ip: '198.51.100.10' }]),
      ];
      await database.plantReply(suggested);
      const called = await call('/sync', { uuid: caller });
      if (!succeeded(called)) return wrong(`a call: ${describe(called)} instead of 2xx`);
      const named = Array.isArray(called.fields?.consumers) ? called.fields.consumers : [];
      const addressOf = (uuid: string) => named.find((entry) => entry?.uuid === uuid)?.ip;
      if (addressOf(caller) !== undefined) return wrong('it introduces the caller to itself');
      if (own !== undefined && addressOf(own) !== undefined) return wrong('it introduces itself');
      if (addressOf(first) === undefined) return optional('it does not use `sync:reply`');
      return addressOf(first) === '198.51.100.8' && addressOf(second) === '198.51.100.9:8080'
        ? holds('names them with their ports, without the caller and itself')
        : wrong(`198.51.100.9:8080 is named as ${visible(String(addressOf(second)))}`);
    },
  ),
  seen('says whether the caller answers', 'docs/PEERS.md#say-where-the-call-came-from', async (subject) => {
    const { database, call, sources } = subject;
    const uuid = newUuid();
    const from = await ownIp(subject);
    if (from === undefined) return unchecked('it does not answer');
    await database.plantReply([]);
    await database.plant(uuid, from);
    const answers = async (state: 'alive' | 'suspect' | 'dead', address: string) => {
      await database.plantHealth(uuid, state, address);
      const called = await call('/sync', { uuid }, { from: sources?.[0] });
      const you: unknown = called.kind === 'reply' ? called.fields?.you : undefined;
      return Object(you).answers as unknown;
    };
    const got = [
      await answers('alive', from),
      await answers('suspect', from),
      await answers('dead', from),
      await answers('alive', '198.51.100.7'),
    ];
    if (got.every((answer) => answer === undefined)) return optional('"you" never has "answers"');
    const expected = [true, false, false, undefined];
    const at = got.findIndex((answer, index) => answer !== expected[index]);
    const about = ['alive', 'suspect', 'dead', 'alive at another address'][at];
    return at < 0
      ? holds('from the health of the present entry')
      : wrong(`health is ${about}, and "answers" is ${visible(String(got[at]))}`);
  }),
  seen('distrusts a scheduler that does not run', 'docs/REDIS.md#when-to-distrust', async (subject) => {
    const { database, call, sources } = subject;
    const uuid = newUuid();
    const from = await ownIp(subject);
    if (from === undefined) return unchecked('it does not answer');
    await database.plantReply([{ uuid: newUuid(), ip: '198.51.100.8' }]);
    await database.plant(uuid, from);
    await database.plantHealth(uuid, 'alive', from);
    if (!(await database.stopScheduler()))
      return unchecked('this database has rounds of a scheduler that runs');
    const called = await call('/sync', { uuid }, { from: sources?.[0] });
    if (!succeeded(called)) return wrong(`a call: ${describe(called)} instead of 2xx`);
    const { consumers, you } = called.fields ?? {};
    if (Array.isArray(consumers) && consumers.length > 0) {
      return wrong('the newest round is years old, and it names whom that round suggested');
    }
    return Object(you).answers === undefined
      ? holds('names nobody and says nothing about health while the newest round is years old')
      : wrong('the newest round is years old, and "answers" tells what it found');
  }),
  seen('tells the scheduler who called', 'docs/PEERS.md#tell-the-scheduler-who-called', async (subject) => {
    const { database, call, sources } = subject;
    const [dead, unknown, elsewhere, alive] = [newUuid(), newUuid(), newUuid(), newUuid()];
    const from = await ownIp(subject);
    if (from === undefined) return unchecked('it does not answer');
    await database.plantReply([]);
    const knownAs = (uuid: string) => (uuid === elsewhere ? (sources?.[1] ?? from) : from);
    for (const [uuid, state] of [
      [dead, 'dead'],
      [unknown, undefined],
      [elsewhere, 'dead'],
      [alive, 'alive'],
    ] as const) {
      await database.plant(uuid, knownAs(uuid));
      if (state !== undefined) await database.plantHealth(uuid, state, knownAs(uuid));
      await call('/sync', { uuid }, { from: sources?.[0] });
    }
    if (await database.isCalled(alive))
      return wrong('a consumer that is alive is in `consumers:called`: every call would be a probe');
    if (sources !== undefined && (await database.isCalled(elsewhere)))
      return wrong('a call from another address than the entry put a dead consumer into `consumers:called`');
    if (!(await database.isCalled(dead)))
      return optional('a dead consumer that called is not in `consumers:called`');
    return (await database.isCalled(unknown))
      ? holds('a consumer that called and is not known to be alive is in `consumers:called`')
      : optional('a consumer without a health record that called is not in `consumers:called`');
  }),
  seen(
    'believes what is signed, and nothing else where it knows the key',
    'docs/SIGNING.md#verify-it',
    async (subject) => {
      const { database, call, signer, address, sources } = subject;
      if (signer === undefined) return unchecked('give --as and SIGNING_KEY to check it');
      const { uuid, sign } = signer;
      const body = JSON.stringify({ uuid });
      const request = { address, elsewhere: elsewhere(address), path: '/sync', body, epoch: '0' };
      const isRecorded = async (headers: Readonly<Record<string, string>>, text: string) => {
        await database.remove(uuid);
        await call('/sync', text, { headers, from: sources?.[0] });
        return (await database.entry(uuid)) !== undefined;
      };
      for (const { what, headers, body: text } of forgeries(sign, request)) {
        if (await isRecorded(headers, text)) return wrong(`believed: ${what}`);
      }
      const genuine = sign(request, Date.now());
      if (!(await isRecorded(genuine, body))) return wrong('a genuine request is not believed');
      if (await isRecorded(genuine, body)) return wrong('believed: the same id a second time');
      if (sources === undefined) return holds('forgeries and a replay were not believed');
      const [from, known] = sources;
      await database.plant(uuid, known);
      await call('/sync', body, { headers: sign(request, Date.now()), from });
      return (await database.entry(uuid)) === from
        ? holds('forgeries and a replay were not believed, a signed move was')
        : optional('a signed call from another address did not replace the entry');
    },
  ),
  seen(
    'answers while Redis is down',
    'docs/PEERS.md#while-redis-is-down',
    async ({ call, database, seen: { uuid } }) => {
      if (!(await database.pause(PAUSE_MS))) return unchecked('this Redis has no CLIENT PAUSE');
      const called = await call('/sync', { uuid: newUuid() });
      // The next command waits until Redis serves again.
      await database.count();
      if (!succeeded(called))
        return wrong(`while Redis served nobody for 4 s: ${describe(called)} instead of 2xx`);
      return uuid !== undefined && called.fields?.uuid !== uuid
        ? wrong('while Redis is down it does not name its uuid')
        : holds(`answers after ${called.tookMs} ms while Redis serves nobody`);
    },
  ),
];
