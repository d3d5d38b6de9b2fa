import { loadConfig } from '../../lib/config.ts';
import type { Host } from '../../lib/host.ts';
import { createAddressPolicy } from '../../lib/peers/address.ts';
import { parseIp } from '../../lib/peers/ip-space.ts';
import { runSync } from '../../lib/sync/round.ts';
import { createRandom } from '../chaos/random.ts';
import { invocation } from '../support/clock.ts';
import { silentLog } from '../support/log.ts';
import { nobodysAddress, randomUuid } from './address-space.ts';
import { createDatabase } from './store/memory.ts';

/** A newcomer that teachers name, among others who name 50 false consumers in each reply. */
export interface Contest {
  /** Honest consumers, each in a network of its own, that name the newcomer. */
  readonly teachers: number;
  /** Consumers in networks of their own that poison: new uuids each time, and the newcomer's at false addresses. */
  readonly poisoners: number;
}

const INTERVAL_MS = 300_000;
const MOST_ROUNDS = 200;
const MOST_TOLD = 50;

/** Runs rounds of one scheduler until the newcomer is a consumer, and answers how many it took. */
export async function roundsUntilKnown({ teachers, poisoners }: Contest, seed: number): Promise<number> {
  const random = createRandom(seed);
  let nowMs = 1_764_000_000_000;
  const database = createDatabase(() => nowMs);
  database.ownIp = parseIp('8.8.8.8');
  const config = loadConfig({ LOCAL_UUID: randomUuid(random), REDIS_URL: 'redis://simulated.invalid' });
  const policy = createAddressPolicy({ defaultPort: 80, allow: [] });
  const newcomer = { uuid: randomUuid(random), ip: '20.255.255.1' };
  const known = Array.from({ length: teachers + poisoners }, (_, n) => ({
    uuid: randomUuid(random),
    ip: `30.${n >> 8}.${n & 255}.1`,
    poisons: n >= teachers,
  }));
  for (const { uuid, ip } of known) database.setConsumer(uuid, ip);
  const host: Host = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    random: random.fork('round').next,
    sleep: (_, signal) =>
      new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true })),
  };
  const lies = () =>
    Array.from({ length: MOST_TOLD }, (_, n) => ({
      uuid: n < 2 ? newcomer.uuid : randomUuid(random),
      ip: nobodysAddress(random),
    }));
  const replyOf = (ip: string) => {
    if (ip === newcomer.ip) return { uuid: newcomer.uuid };
    const consumer = known.find((each) => each.ip === ip);
    if (consumer === undefined) return undefined;
    return { uuid: consumer.uuid, consumers: consumer.poisons ? lies() : [newcomer] };
  };

  for (let rounds = 1; rounds <= MOST_ROUNDS; rounds++) {
    await runSync({}, invocation(), {
      config,
      openRoundStore: () => database.openStore(host),
      policy,
      post: async ({ address }) => {
        const reply = replyOf(address.ip);
        if (reply === undefined) return { kind: 'failed', error: 'timeout', mayHaveArrived: true, rttMs: 1 };
        return { kind: 'replied', status: 200, body: Buffer.from(JSON.stringify(reply)), rttMs: 1 };
      },
      sourcesOf: () => [],
      invoke: async () => {},
      host,
      log: silentLog,
      spread: false,
    });
    nowMs += INTERVAL_MS;
    if (database.consumers.get(newcomer.uuid) === newcomer.ip) return rounds;
  }
  return MOST_ROUNDS;
}
