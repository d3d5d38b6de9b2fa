import { type Ip, parseIp } from '../../lib/peers/ip-space.ts';
import { MAX_HEARD } from '../../lib/peers/reply.ts';
import { parseUuid } from '../../lib/peers/uuid.ts';
import { visible } from '../../report/text/escape.ts';
import { type Called, describe, isServed, type Reply, succeeded } from './caller.ts';
import { MOVE_RULES } from './consumer-moves.ts';
import { RECORD_RULES } from './consumer-records.ts';
import { SCHEDULER_RULES } from './consumer-scheduler.ts';
import { plain } from './database-rule.ts';
import { crowdRule, limitRules, resultRules } from './every-peer.ts';
import { holds, optional, type Rule, unchecked, type Verdict, wrong } from './rule.ts';
import { FLOOD, flood, newUuid, type Subject } from './subject.ts';

/** `SYNC_TIMEOUT_MS` of a scheduler that leaves it as it is. */
export const SYNC_DEADLINE_MS = 3_000;

/** What a consumer API has to do, in the order in which it is checked. */
export const CONSUMER_RULES: readonly Rule<Subject>[] = [
  {
    rule: 'accepts an empty object',
    docs: 'docs/PEERS.md#accept-an-empty-object',
    async check({ call }) {
      const called = await call('/sync', {});
      return succeeded(called) ? holds('answers 2xx to {}') : wrong(`{}: ${describe(called)} instead of 2xx`);
    },
  },
  {
    rule: 'accepts a call, whatever the case of the uuid',
    docs: 'docs/PEERS.md#write-uuids-in-lower-case',
    async check({ call, sources }) {
      const uuid = newUuid();
      for (const spelling of [uuid, uuid.toUpperCase()]) {
        const called = await call('/sync', { uuid: spelling }, { from: sources?.[2] });
        if (!succeeded(called)) return wrong(`${spelling}: ${describe(called)} instead of 2xx`);
      }
      return holds('answers 2xx to a uuid in lower case and in capitals');
    },
  },
  {
    rule: 'names its own uuid',
    docs: 'docs/PEERS.md#name-your-uuid',
    async check({ call, database, seen, sources }) {
      const uuid = newUuid();
      const calls = [await call('/sync', {}), await call('/sync', { uuid }, { from: sources?.[2] })];
      const named = calls.map((called) => (called.kind === 'reply' ? called.fields?.uuid : undefined));
      const [first, second] = named;
      if (first === undefined && second === undefined) {
        return optional(
          'its answers have no uuid: it cannot be learned by hearsay or followed to a new address',
        );
      }
      const parsed = named.map(parseUuid);
      if (parsed.includes(uuid)) return wrong('it answers with the uuid of the caller instead of its own');
      if (parsed[0] === undefined || parsed[0] !== parsed[1]) {
        return wrong(`it named ${named.map(shown).join(' and then ')}`);
      }
      const identity = parseUuid(await database?.identity());
      if (identity !== undefined && identity !== parsed[0]) {
        return wrong(`it names ${parsed[0]}, and its database belongs to ${identity}`);
      }
      seen.uuid = parsed[0];
      return holds(`it is ${parsed[0]}`);
    },
  },
  {
    rule: 'ignores its own uuid',
    docs: 'docs/PEERS.md#ignore-your-own-uuid',
    async check({ call, seen: { uuid }, database }) {
      if (uuid === undefined) return unchecked('it does not name its uuid');
      const called = await call('/sync', { uuid });
      if (!succeeded(called)) return wrong(`its own uuid: ${describe(called)} instead of 2xx`);
      if (namedBy(called).some((entry) => parseUuid(entry.uuid) === uuid))
        return wrong('it introduces itself');
      if ((await database?.entry(uuid)) !== undefined) return wrong('it recorded itself as a consumer');
      return holds(database === undefined ? 'answers as usual' : 'answers as usual and records nothing');
    },
  },
  {
    rule: 'says where a call came from',
    docs: 'docs/PEERS.md#say-where-the-call-came-from',
    async check({ call }) {
      const called = await call('/sync', {}, { headers: { 'x-forwarded-for': '198.51.100.66' } });
      if (!succeeded(called)) return wrong(`{}: ${describe(called)} instead of 2xx`);
      return judgeYou(called);
    },
  },
  ...limitRules('/sync', () => ({})),
  ...RECORD_RULES,
  ...MOVE_RULES,
  ...SCHEDULER_RULES,
  {
    rule: 'names consumers as it should',
    docs: 'docs/PEERS.md#name-consumers',
    async check(subject) {
      const { call, sources, database } = subject;
      const caller = newUuid();
      // More than may be named.
      const suggested = Array.from({ length: MAX_HEARD + 10 }, () => ({
        uuid: newUuid(),
        ip: '198.51.100.9:8080',
      }));
      await database?.plantReply(suggested);
      // Named twice: after the first call it may know the caller.
      const calls = [
        await call('/sync', { uuid: caller }, { from: sources?.[2] }),
        await call('/sync', { uuid: caller }, { from: sources?.[2] }),
        await call('/sync', {}),
      ];
      for (const [index, called] of calls.entries()) {
        const fault = faultOfNamed(called, index === 2 ? undefined : caller, calls, subject);
        if (fault !== undefined) return wrong(fault);
      }
      const count = Math.max(...calls.map((called) => namedBy(called).length));
      return count === 0
        ? optional('it introduces nobody: the network does not form through it')
        : holds(`it names ${count}, each with uuid and address, without itself and the caller`);
    },
  },
  {
    rule: 'bounds what strangers can make it record',
    docs: 'docs/PEERS.md#bound-what-strangers-can-make-you-record',
    async check({ call, sources, database }) {
      const before = await database?.count();
      const calls = await flood(() => call('/sync', { uuid: newUuid() }, { from: sources?.[1] }));
      const bad = calls.find((called) => !isServed(called));
      if (bad !== undefined) return wrong(`one of ${FLOOD} calls with a new uuid: ${describe(bad)}`);
      if (database === undefined || before === undefined) {
        return unchecked('it answers a flood of new uuids; --redis shows how many it records');
      }
      const recorded = (await database.count()) - before;
      const found = `it recorded ${recorded} of ${FLOOD} new uuids that one address sent within a second`;
      if (recorded > MOST_RECORDED) return wrong(found);
      if (sources === undefined) return holds(found);
      const origins = Array.from({ length: ORIGINS }, (_, n) => sources[0].replace(/\d+$/, String(n + 10)));
      for (const from of origins) {
        await Promise.all(Array.from({ length: 8 }, () => call('/sync', { uuid: newUuid() }, { from })));
      }
      const all = (await database.count()) - before;
      return all > MOST_RECORDED_OF_ALL
        ? wrong(`it recorded ${all} new uuids that ${ORIGINS + 1} addresses sent within seconds`)
        : holds(`${found}, and ${all} of ${ORIGINS + 1} addresses`);
    },
  },
  crowdRule('/sync', () => ({})),
  ...resultRules(SYNC_DEADLINE_MS),
];

/** The contract says 8; an author may have reasons for a few more. */
const MOST_RECORDED = 20;
/** The contract says 100 of all. So many addresses with eight each send more. */
const MOST_RECORDED_OF_ALL = 150;
const ORIGINS = 24;

function namedBy(called: Called): readonly Readonly<Record<string, unknown>>[] {
  const consumers = called.kind === 'reply' ? called.fields?.consumers : undefined;
  return Array.isArray(consumers) ? consumers.map((entry) => ({ ...Object(entry) })) : [];
}

function faultOfNamed(
  called: Called,
  caller: string | undefined,
  calls: readonly Called[],
  { seen }: Subject,
): string | undefined {
  if (!succeeded(called)) return `a call: ${describe(called)} instead of 2xx`;
  const raw = called.fields?.consumers;
  if (raw !== undefined && !Array.isArray(raw)) return '"consumers" is no array';
  const named = namedBy(called);
  if (named.length > MAX_HEARD) return `it names ${named.length} consumers, and ${MAX_HEARD} are read`;
  const uuids = named.map(({ uuid }) => parseUuid(uuid));
  if (uuids.includes(undefined)) return 'an entry of "consumers" has no "uuid" that is one';
  if (new Set(uuids).size < uuids.length) return 'it names a consumer twice';
  if (seen.uuid !== undefined && uuids.includes(seen.uuid)) return 'it introduces itself';
  if (caller !== undefined && uuids.some((uuid) => uuid === caller))
    return 'it introduces the caller to itself';
  const ports = calls.flatMap((one) => (one.kind === 'reply' ? [one.from.port] : []));
  for (const { ip } of named) {
    const fault = faultOfAddress(ip, ports);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** `ip` or `ip:port`, `[ip]:port` for IPv6. `ports` are those of this check's own outgoing calls. */
function faultOfAddress(raw: unknown, ports: readonly number[]): string | undefined {
  const [, ip = '', port] =
    /^\[(.*)\](?::(\d{1,5}))?$/.exec(String(raw)) ?? /^([^:]*):(\d{1,5})$/.exec(String(raw)) ?? [];
  const literal = parseIp(ip || raw);
  if (literal === undefined) return `an entry of "consumers" has the "ip" ${shown(raw)}`;
  if (isMapped(String(raw))) return `it names an IPv4 address in its mapped form: ${shown(raw)}`;
  return port !== undefined && ports.includes(Number(port))
    ? `it names the port of an outgoing call: ${shown(raw)}`
    : undefined;
}

function judgeYou(reply: Reply): Verdict {
  const you: unknown = reply.fields?.you;
  if (you === undefined) return optional('its answers have no "you"');
  const { ip, answers }: { ip?: unknown; answers?: unknown } = Object(you);
  if (ip === '198.51.100.66') return wrong('it believes X-Forwarded-For of a stranger');
  const from: Ip | undefined = parseIp(plain(reply.from.ip));
  if (ip !== from) return wrong(`the call came from ${from}, and "you" says ${shown(ip)}`);
  if (answers !== undefined && typeof answers !== 'boolean') return wrong(`"answers" is ${shown(answers)}`);
  return holds(`the call came from ${from}`);
}

function isMapped(ip: string): boolean {
  return /^\[?::ffff:/i.test(ip);
}

function shown(value: unknown): string {
  return visible(JSON.stringify(value) ?? 'nothing');
}
