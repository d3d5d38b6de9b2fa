import { EPOCH_HEADER } from '../../lib/peers/post.ts';
import { visible } from '../../report/text/escape.ts';
import { type Called, type CallOptions, describe, isServed, succeeded } from './caller.ts';
import { crowdRule, limitRules, resultRules } from './every-peer.ts';
import { elsewhere, forgeries } from './forgeries.ts';
import { holds, optional, type Rule, unchecked, type Verdict, wrong } from './rule.ts';
import { FLOOD, flood, newUuid, type Subject } from './subject.ts';

/** `NOTIFY_TIMEOUT_MS` of a scheduler that leaves it as it is. */
export const NOTIFY_DEADLINE_MS = 5_000;

/** Public addresses to tell. Nobody is called there. */
const [FIRST, SECOND, THIRD, V6] = ['8.8.8.8', '8.8.4.4', '1.1.1.1', '2606:4700:4700::1111'];
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** The contract says 8; an author may have reasons for a few more. */
const MOST_KEPT = 20;
const LARGEST_EPOCH = '9007199254740991';

/** What a producer has to do, in the order in which it is checked. */
export const PRODUCER_RULES: readonly Rule<Subject>[] = [
  {
    rule: 'answers 2xx to a change, and keeps it',
    docs: 'docs/PEERS.md#answer-2xx-when-it-is-kept',
    async check(subject) {
      const called = await tell(subject, { ip: FIRST, epoch: Date.now() });
      if (!succeeded(called)) return wrong(`a change: ${describe(called)} instead of 2xx`);
      const held = heldBy(called);
      if (held === undefined)
        return optional('its answers do not say what it holds (docs/PEERS.md#say-what-you-hold)');
      return held === FIRST
        ? holds(`told ${FIRST}, it holds ${FIRST}`)
        : wrong(`told ${FIRST}, it holds ${visible(held)}`);
    },
  },
  {
    rule: 'takes IPv6 as it is',
    docs: 'docs/PEERS.md#take-the-address-from-the-body',
    check: (subject) => tellAll(subject, newUuid(), [{ ip: V6, epoch: Date.now(), holds: V6 }]),
  },
  {
    rule: 'refuses what is no public address',
    docs: 'docs/PEERS.md#take-the-address-from-the-body',
    async check(subject) {
      for (const ip of [
        `${FIRST}:80`,
        `[${V6}]`,
        'example.org',
        '10.0.0.1',
        '169.254.169.254',
        '100.64.0.1',
        '224.0.0.1',
        '::1',
        'fe80::1',
        `::ffff:${FIRST}`,
        '',
        7,
        null,
      ]) {
        const called = await tell(subject, { ip, epoch: Date.now() });
        if (succeeded(called)) return wrong(`${JSON.stringify(ip)}: ${describe(called)} instead of 400`);
        if (called.kind === 'failed') return wrong(`${JSON.stringify(ip)}: ${called.why}`);
      }
      return holds('an address with a port, a name, a private address: refused');
    },
  },
  {
    rule: 'ignores a lower epoch, and answers 2xx',
    docs: 'docs/PEERS.md#answer-2xx-to-a-lower-epoch-and-ignore-it',
    check(subject) {
      const now = Date.now();
      return tellAll(subject, newUuid(), [
        { ip: FIRST, epoch: now, holds: FIRST },
        { ip: SECOND, epoch: now - 1, holds: FIRST, about: 'a lower epoch' },
        { ip: THIRD, epoch: now, holds: THIRD, about: 'an equal epoch' },
        { ip: SECOND, epoch: now + 1, holds: SECOND, about: 'a higher epoch' },
        { ip: FIRST, holds: FIRST, about: 'a call without an epoch' },
        { ip: THIRD, epoch: 'soon', holds: THIRD, about: 'an epoch that is no number' },
        { ip: FIRST, epoch: now, holds: THIRD, about: 'a lower epoch after that' },
      ]);
    },
  },
  {
    rule: 'knows a uuid in any case',
    docs: 'docs/PEERS.md#write-uuids-in-lower-case',
    check(subject) {
      const now = Date.now();
      const uuid = newUuid();
      return tellAll(subject, uuid, [
        { ip: FIRST, epoch: now, holds: FIRST, spelled: uuid.toUpperCase() },
        { ip: SECOND, epoch: now - 1, holds: FIRST, about: 'a lower epoch, the uuid in lower case' },
      ]);
    },
  },
  {
    rule: 'believes no unsigned epoch from far ahead',
    docs: 'docs/PEERS.md#which-epoch-to-believe',
    async check(subject) {
      const now = Date.now();
      const first = await tellAll(subject, newUuid(), [
        { ip: THIRD, epoch: LARGEST_EPOCH, holds: THIRD, about: 'a first call with a huge epoch' },
        { ip: SECOND, epoch: now, holds: SECOND, about: 'the next true change after it' },
      ]);
      if (first.result !== 'holds') return first;
      return tellAll(subject, newUuid(), [
        { ip: FIRST, epoch: now },
        { ip: THIRD, epoch: LARGEST_EPOCH, holds: THIRD, about: 'a huge epoch' },
        { ip: SECOND, epoch: now + 1, holds: SECOND, about: 'the next true change after a huge epoch' },
        { ip: FIRST, epoch: now, holds: SECOND, about: 'a lower epoch after that' },
        { ip: FIRST, epoch: now + MINUTE_MS, holds: FIRST, about: 'an epoch from a minute ahead' },
        { ip: THIRD, epoch: now + MINUTE_MS / 2, holds: FIRST, about: 'a lower one after that' },
      ]);
    },
  },
  {
    rule: 'believes a late delivery',
    docs: 'docs/PEERS.md#which-epoch-to-believe',
    check: (subject) =>
      tellAll(subject, newUuid(), [
        { ip: FIRST, epoch: Date.now() - HOUR_MS, holds: FIRST, about: 'a first change that is an hour old' },
      ]),
  },
  {
    rule: 'believes what is signed, and nothing else where it knows the key',
    docs: 'docs/SIGNING.md#verify-it',
    async check({ call, signer, address, sources }) {
      if (signer === undefined) return unchecked('give --as and SIGNING_KEY to check it');
      const { uuid, sign } = signer;
      const epoch = String(Date.now());
      const body = JSON.stringify({ uuid, ip: FIRST });
      const request = { address, elsewhere: elsewhere(address), path: '/ip', body, epoch };
      const post = (headers: Readonly<Record<string, string>>, text = body) =>
        call('/ip', text, { headers: { ...headers, [EPOCH_HEADER]: LARGEST_EPOCH }, from: sources?.[0] });
      for (const { what, headers, body: text } of forgeries(sign, request)) {
        const called = await post(headers, text);
        if (succeeded(called)) return wrong(`${what}: ${describe(called)} instead of 401`);
      }
      const genuine = sign(request, Date.now());
      const called = await post(genuine);
      if (!succeeded(called)) return wrong(`a genuine request: ${describe(called)} instead of 2xx`);
      const held = called.fields?.epoch;
      if (held !== undefined && held !== Number(epoch)) {
        return wrong(`the signed epoch is ${epoch}, it keeps ${visible(String(held))}: not the header's`);
      }
      return succeeded(await post(genuine))
        ? wrong('the same id a second time was believed')
        : holds('forgeries and a replay were refused');
    },
  },
  ...limitRules('/ip', () => ({ uuid: KNOWN, ip: FIRST })),
  {
    rule: 'bounds what strangers can make it keep',
    docs: 'docs/PEERS.md#bound-what-strangers-can-make-you-keep',
    async check(subject) {
      const { call, sources } = subject;
      const calls = await flood(() =>
        call('/ip', { uuid: newUuid(), ip: FIRST }, { from: sources?.[1], headers: epochHeader(Date.now()) }),
      );
      const kept = calls.filter(succeeded).length;
      const bad = calls.find((called) => !isServed(called));
      if (bad !== undefined)
        return wrong(`one of ${FLOOD} calls with a new uuid: ${describe(bad)} instead of 429`);
      if (kept > MOST_KEPT)
        return wrong(
          `it answered 2xx to ${kept} of ${FLOOD} new uuids that one address sent within a second`,
        );
      const known = await tell(subject, { ip: FIRST, epoch: Date.now() });
      return succeeded(known)
        ? holds(`it kept ${kept} of ${FLOOD} new uuids that one address sent within a second`)
        : wrong(`after a flood of new uuids a known one: ${describe(known)}`);
    },
  },
  crowdRule('/ip', () => ({ uuid: KNOWN, ip: FIRST })),
  ...resultRules(NOTIFY_DEADLINE_MS),
];

/** The one uuid that the rules use where it does not matter which. */
const KNOWN = newUuid();

function epochHeader(epoch: number | string | undefined): Record<string, string> {
  return epoch === undefined ? {} : { [EPOCH_HEADER]: String(epoch) };
}

interface Told {
  readonly ip: unknown;
  readonly epoch?: number | string;
}

function tell({ call, sources }: Subject, { ip, epoch }: Told, uuid: string = KNOWN): Promise<Called> {
  const options: CallOptions = { from: sources?.[0], headers: epochHeader(epoch) };
  return call('/ip', { uuid, ip }, options);
}

interface Step extends Told {
  /** What the producer must hold after it. */
  readonly holds?: string;
  readonly about?: string;
  readonly spelled?: string;
}

/** Tells one address after the other. Each must be answered with 2xx, and each answer must say what is held. */
async function tellAll(subject: Subject, uuid: string, steps: readonly Step[]): Promise<Verdict> {
  let silent = false;
  for (const { holds: expected, about = 'a change', spelled = uuid, ...told } of steps) {
    const called = await tell(subject, told, spelled);
    if (!succeeded(called)) return wrong(`${about}: ${describe(called)} instead of 2xx`);
    const held = heldBy(called);
    if (expected === undefined) continue;
    if (held === undefined) silent = true;
    else if (held !== expected)
      return wrong(`after ${about} it holds ${visible(held)} instead of ${expected}`);
  }
  return silent
    ? unchecked('answers 2xx; what it holds is not seen (docs/PEERS.md#say-what-you-hold)')
    : holds(`it held ${steps.flatMap(({ holds: expected }) => expected ?? []).join(', then ')}`);
}

function heldBy(called: Called): string | undefined {
  const ip = called.kind === 'reply' ? called.fields?.ip : undefined;
  return typeof ip === 'string' ? ip : undefined;
}
