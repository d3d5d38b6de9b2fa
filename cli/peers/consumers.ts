import { CONSUMER_STATES, type ConsumerRow } from '../../report/peers/consumer-row.ts';
import { readConsumers } from '../../report/peers/read-peers.ts';
import { policyFor } from '../../report/read/begin.ts';
import { visible } from '../../report/text/escape.ts';
import { shortDuration } from '../../report/text/time.ts';
import { type Listing, stateCell, uuidCell } from './list.ts';

/** `p2p consumers`: one line each. */
export const CONSUMERS: Listing<ConsumerRow> = {
  kind: 'consumer',
  states: CONSUMER_STATES,
  columns: [
    { title: 'uuid' },
    { title: 'address', least: 15 },
    { title: 'state' },
    { title: 'since' },
    { title: 'ok' },
    { title: 'last error' },
    { title: 'next' },
  ],
  key: ({ keys }) => keys.consumers,
  pages: (parts, { nowMs, register }, { start }) =>
    readConsumers({ ...parts, policy: policyFor(parts, register), nowMs, start }),
  cells({ uuid, address, state, refused, health }, nowMs, wide) {
    const ago = (at: number | undefined) => (at === undefined ? '-' : shortDuration(nowMs - at));
    return [
      uuidCell(uuid, wide),
      visible(address, 53),
      stateCell(state),
      ago(health?.since),
      ago(health?.lastOk),
      refused ?? health?.lastError ?? '-',
      nextCell(state, health?.due, nowMs),
    ];
  },
  json: ({ uuid, address, state, refused, health }) => ({
    uuid,
    address,
    state,
    refused,
    since: health?.since,
    lastOk: health?.lastOk,
    lastError: health?.lastError,
    lastFail: health?.lastFail,
    failures: health && (health.fails ?? 0),
    rttMs: health?.rtt,
    recent: health?.recent,
    due: health?.due,
  }),
};

function nextCell(state: ConsumerRow['state'], due: number | undefined, nowMs: number): string {
  if (state === 'self' || state === 'unusable') return 'never';
  return due === undefined || due <= nowMs ? 'round' : shortDuration(due - nowMs);
}
