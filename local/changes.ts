import { jsonObject } from '../kit/http.ts';
import type { ConsumerState, RedisEvent } from './events.ts';
import type { Snapshot } from './snapshot.ts';

type Members = NonNullable<Snapshot['members']>;

/** What happened between two looks at Redis, in the order in which it is told. Pure. */
export function changesBetween(before: Snapshot | undefined, after: Snapshot): RedisEvent[] {
  return [
    ...rounds(after),
    ...newcomers(before?.members, after.members),
    ...ipChanges(before, after),
    ...deliveries(before, after),
  ];
}

function rounds({ rounds: entries, members }: Snapshot): RedisEvent[] {
  return entries.map(({ fields }, index) => {
    const last = index === entries.length - 1;
    return {
      kind: 'round',
      summary: fields,
      ...(last && members !== undefined && { consumers: consumerStates(members) }),
    };
  });
}

function consumerStates({ consumers, health }: Members): ConsumerState[] {
  return [...consumers].map(([uuid, address]) => {
    const found = jsonObject(health.get(uuid) ?? '') ?? {};
    // What was found out at another address says nothing about one that has moved since.
    const record = found.address === address ? found : {};
    return {
      uuid,
      address,
      state: typeof record.state === 'string' ? record.state : 'new',
      ...(typeof record.lastError === 'string' && { lastError: record.lastError }),
    };
  });
}

function newcomers(before: Members | undefined, after: Members | undefined): RedisEvent[] {
  if (before === undefined || after === undefined) return [];
  const joined = [...after.consumers].filter(([uuid]) => !before.consumers.has(uuid));
  const seen = new Set(candidates(before).map(({ uuid, address }) => `${uuid} ${address}`));
  return [
    ...candidates(after).filter(({ uuid, address }) => !seen.has(`${uuid} ${address}`)),
    ...joined.map(([uuid, address]): RedisEvent => ({ kind: 'joined', uuid, address })),
  ];
}

/** Candidates lie in slots; the hash has a field or two that are none. */
function candidates({ candidates: slots }: Members): Extract<RedisEvent, { kind: 'candidate' }>[] {
  return [...slots.values()].flatMap((text) => {
    const { uuid, address, from } = jsonObject(text) ?? {};
    if (typeof uuid !== 'string' || typeof address !== 'string') return [];
    return [{ kind: 'candidate', uuid, address, ...(typeof from === 'string' && { from }) }];
  });
}

function ipChanges(before: Snapshot | undefined, { history, ip }: Snapshot): RedisEvent[] {
  const changes = history.flatMap(({ fields }): RedisEvent[] => {
    const to = fields.get('to');
    const from = fields.get('from');
    return to === undefined ? [] : [{ kind: 'ip-changed', to, ...(from ? { from } : {}) }];
  });
  if (changes.length > 0 || before === undefined) return changes;
  const changed = (field: string) => ip.get(field) !== before.ip.get(field);
  if (!changed('checkedAt')) return [];
  const candidate = ip.get('candidate');
  const unknown = Number(ip.get('unknownChecks') ?? 0);
  if (candidate) return [{ kind: 'ip-contested', candidate, checks: ip.get('candidateChecks') ?? '1' }];
  if (changed('unknownChecks') && unknown > 0) return [{ kind: 'ip-unknown', checks: String(unknown) }];
  const current = ip.get('current');
  return changed('verifiedAt') && current ? [{ kind: 'ip-confirmed', ip: current }] : [];
}

function deliveries(before: Snapshot | undefined, { members, ip }: Snapshot): RedisEvent[] {
  if (before?.members === undefined || members === undefined) return [];
  const old = { ...before.members, epoch: before.ip.get('epoch') };
  const told = ip.get('told');
  // The register counts who knows the address; nobody is due any more once all do.
  const ended = members.due.size === 0 && (old.due.size > 0 || old.epoch !== ip.get('epoch'));
  const allTold: RedisEvent[] = ended && Number(told) > 0 ? [{ kind: 'all-told', told: String(told) }] : [];
  const single = [...members.deliveries].flatMap(([uuid, text]): RedisEvent[] => {
    const record = jsonObject(text) ?? {};
    const former = jsonObject(old.deliveries.get(uuid) ?? '') ?? {};
    if (record.ackedAt !== undefined && record.ackedAt !== former.ackedAt) {
      return [{ kind: 'told', uuid, ip: ip.get('current') ?? '' }];
    }
    const attempts = Number(record.attempts ?? 0);
    const nextAt = Number(members.due.get(uuid));
    const failed =
      attempts > 0 && (attempts !== Number(former.attempts ?? 0) || record.firstAt !== former.firstAt);
    // A live lease means that the attempt is still under way: its score is the lease's end, not the next attempt.
    return failed && record.lease === undefined && nextAt > 0
      ? [{ kind: 'not-told', uuid, lastStatus: describeStatus(record.lastStatus), nextAt }]
      : [];
  });
  return [...single, ...allTold];
}

function describeStatus(status: unknown): string {
  return typeof status === 'number' || /^\d+$/.test(String(status))
    ? `it answered ${status}`
    : String(status);
}
