import { textsOf } from './commits.ts';
import type { Lane } from './lane.ts';
import { KEYS } from './scripts.ts';
import type { Tally } from './tally.ts';
import type { World } from './world.ts';

/** Answers the records that have a lease and no place in `deliveries:due`. */
const LEASED_OUTSIDE_DUE = `
local flat, outside = redis.call('HGETALL', KEYS[1]), {}
for i = 2, #flat, 2 do
  local ok, record = pcall(cjson.decode, flat[i])
  local leased = ok and type(record) == 'table' and type(record.lease) == 'string'
  if leased and not redis.call('ZSCORE', KEYS[2], flat[i - 1]) then outside[#outside + 1] = flat[i] end
end
return outside`;

/** Holds what has to be true in Redis at every moment: leases and their places, epochs that grow. */
export async function checkState({ wire }: Lane, { bustle }: World, tally: Tally): Promise<void> {
  const [reply] = await wire.direct(['EVAL', LEASED_OUTSIDE_DUE, '2', KEYS.deliveries, KEYS.due]);
  const faults = [
    ...textsOf(reply ?? null).map((record) => `a lease outside deliveries:due: ${record}`),
    ...wire.commits.takeFaults(),
  ];
  tally.findings.brokenState += faults.length;
  for (const fault of faults) bustle.note(`BROKEN STATE: ${fault}`);
}
