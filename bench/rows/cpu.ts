import { expectCalls } from '../checks.ts';
import { comparison, interleave, reading } from '../measure.ts';
import { FETCH_LOOP, HTTP_LOOP, POST } from '../modules.ts';
import type { Row } from '../row.ts';
import { LOCAL_UUID } from '../world.ts';

const ADDRESSES = 20_000;
const CONCURRENCY = 64;
const REPETITIONS = 3;

/** CPU is what Lambda bills and what a small host feels, and it is steadier than time on a busy machine. */
export const cpu: Row = {
  name: 'cpu',
  title: `CPU of one guarded call, against a bare node:http call and fetch (${ADDRESSES.toLocaleString('en-US')} addresses, ${CONCURRENCY} at a time)`,
  targets: 'at most 1.15 of the bare call, at most 0.5 of fetch',
  long: true,
  limitMs: 240_000,
  async run(lab) {
    const peers = await lab.peers();
    const params = {
      first: 0,
      count: ADDRESSES,
      port: peers.ports.well,
      concurrency: CONCURRENCY,
      path: '/sync' as const,
      body: JSON.stringify({ uuid: LOCAL_UUID }),
    };
    const post = await lab.contestant(POST, params);
    const bare = await lab.contestant(HTTP_LOOP, params);
    const naive = await lab.contestant(FETCH_LOOP, params);
    lab.say(`${REPETITIONS} + 1 passes of each`);
    const runs = await interleave({ post: post.run, bare: bare.run, naive: naive.run }, REPETITIONS);
    await expectCalls(peers, ADDRESSES * 3 * (REPETITIONS + 1));
    const perTenThousand = (list: readonly { cpuMs?: number }[]) =>
      list.map(({ cpuMs = Number.NaN }) => (cpuMs / ADDRESSES) * 10);
    const [ours, loop, fetched] = [runs.post, runs.bare, runs.naive].map(perTenThousand) as [
      number[],
      number[],
      number[],
    ];
    return {
      kind: 'measured',
      figures: [
        comparison('CPU of the guarded call / bare node:http', 'share', ours, loop, { atMost: 1.15 }),
        comparison('CPU of the guarded call / fetch', 'share', ours, fetched, { atMost: 0.5 }),
        reading('guarded call, CPU per 10,000', 's', ours),
        reading('bare node:http, CPU per 10,000', 's', loop),
        reading('fetch, CPU per 10,000', 's', fetched),
      ],
      notes: [
        `median of ${REPETITIONS} interleaved passes; the guarded call adds address rules, an absolute deadline and caps`,
      ],
    };
  },
};
