import { PRODUCER_STATES, type ProducerRow } from '../../report/peers/producer-row.ts';
import { readProducers } from '../../report/peers/read-peers.ts';
import { policyFor } from '../../report/read/begin.ts';
import { visible } from '../../report/text/escape.ts';
import { shortDuration } from '../../report/text/time.ts';
import { type Listing, stateCell, uuidCell } from './list.ts';

/** `p2p producers`: one line each. */
export const PRODUCERS: Listing<ProducerRow> = {
  kind: 'producer',
  states: PRODUCER_STATES,
  columns: [
    { title: 'uuid' },
    { title: 'address', least: 15 },
    { title: 'state' },
    { title: 'since' },
    { title: 'ok' },
    { title: 'tries' },
    { title: 'last status' },
    { title: 'next' },
  ],
  key: ({ keys }) => keys.producers,
  pages: (parts, { nowMs, register }, { start, states }) =>
    readProducers({
      ...parts,
      policy: policyFor(parts, register),
      nowMs,
      start,
      epoch: register.epoch,
      missing: states === undefined || states.has('missing'),
    }),
  cells({ uuid, address, state, refused, delivery, due }, nowMs, wide) {
    const ago = (at: number | undefined) => (at === undefined ? '-' : shortDuration(nowMs - at));
    const status = delivery.lastStatus;
    return [
      uuidCell(uuid, wide),
      address === undefined ? '-' : visible(address, 53),
      stateCell(state),
      ago(sinceOf({ state, delivery })),
      ago(delivery.ackedAt),
      String(delivery.attempts ?? 0),
      refused ?? (status === undefined ? '-' : visible(status, 14)),
      due === undefined ? 'change' : due <= nowMs ? 'now' : shortDuration(due - nowMs),
    ];
  },
  json: ({ uuid, address, state, refused, delivery, due }) => ({
    uuid,
    address: address ?? null,
    state,
    refused,
    since: sinceOf({ state, delivery }),
    ackedEpoch: delivery.ackedEpoch,
    ackedAt: delivery.ackedAt,
    attempts: delivery.attempts ?? 0,
    lastStatus: delivery.lastStatus,
    ambiguousAt: delivery.ambiguousAt,
    due,
  }),
};

/** Since when it has been so, as far as its record says. */
function sinceOf({ state, delivery }: Pick<ProducerRow, 'state' | 'delivery'>): number | undefined {
  switch (state) {
    case 'told':
    case 'again':
      return delivery.ackedAt;
    case 'telling':
    case 'retrying':
      return delivery.firstAt;
    default:
      return undefined;
  }
}
