import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createParts } from '../../../lib/app.ts';
import { loadConfig } from '../../../lib/config.ts';
import { RedisUnavailableError } from '../../../lib/errors.ts';
import { type Host, type Invocation, systemHost } from '../../../lib/host.ts';
import { type NotifySummary, runProducerNotify } from '../../../lib/notify/notify.ts';
import type { PostToPeer } from '../../../lib/peers/post.ts';
import type { Command, Redis, ScriptCall } from '../../../lib/redis/redis.ts';
import { invocation, withTime } from '../../support/clock.ts';
import { type LogLine, recordLog } from '../../support/log.ts';
import { type Peer, startPeer } from '../../support/peer-server.ts';
import { startTestRedis, type TestRedis, type TestRedisOptions } from '../../support/redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import { createWorld, type World } from '../store/delivery-world.ts';

export const LOCAL_UUID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';
export const IP_1 = '203.0.113.1';
export const IP_2 = '203.0.113.2';

/** Requests to Redis and their ways to go wrong; `aheadMs` is added to what TIME answers. */
export interface Wire extends Redis {
  aheadMs: number;
  /** Commands sent, by name; scripts by theirs. */
  readonly sent: string[];
  /**
   * The next request that does this is carried out, and its reply is lost. Requests are named by their commands, and by
   * what the script of deliveries does: `settle`, `claim`, `end`.
   */
  loseReplyOf: string | undefined;
  /** The next request that does this does not reach Redis, as far as anybody can tell. */
  loseRequestOf: string | undefined;
  /** Called when the reply to a request that does this has come, before anybody sees it. */
  onReplyOf: Readonly<Record<string, () => void | Promise<void>>>;
}

function createWire(redis: Redis): Wire {
  const wire: Wire = {
    aheadMs: 0,
    sent: [],
    loseReplyOf: undefined,
    loseRequestOf: undefined,
    onReplyOf: {},
    close: redis.close,
    async send(requests, options) {
      const names = requests.flatMap(doneBy);
      wire.sent.push(...requests.map((one) => ('script' in one ? one.script.name : one[0])));
      // Whoever repeats a claim leases deliveries to nobody.
      if (names.includes('claim')) assert.equal(options.repeatable, false);
      if (wire.loseRequestOf !== undefined && names.includes(wire.loseRequestOf)) {
        wire.loseRequestOf = undefined;
        throw new RedisUnavailableError('The connection broke.', { mayHaveRun: true });
      }
      const replies = await shifted.send(requests, options);
      for (const name of names) await wire.onReplyOf[name]?.();
      if (wire.loseReplyOf !== undefined && names.includes(wire.loseReplyOf)) {
        wire.loseReplyOf = undefined;
        throw new RedisUnavailableError('The connection broke.', { mayHaveRun: true });
      }
      return replies;
    },
  };
  const shifted = withTime(redis, (ms) => ms + wire.aheadMs);
  return wire;
}

function doneBy(request: Command | ScriptCall): readonly string[] {
  if (!('script' in request)) return [request[0]];
  if (request.script.name !== 'settle-and-claim') return [request.script.name];
  const [, , , mode = '', , , , ...ended] = request.args;
  return [
    ...(ended.length > 0 || mode === 'settle' ? ['settle'] : []),
    ...(mode === 'settle' ? [] : [String(mode)]),
  ];
}

export interface Stage {
  readonly world: World;
  readonly server: TestRedis;
  readonly wire: Wire;
  readonly host: ReturnType<typeof createHost>;
  /** Everything that was logged. */
  readonly lines: readonly LogLine[];
  /** Replace it to see calls instead of making them. */
  post: PostToPeer;
  run(event?: unknown, invocation?: Partial<Invocation>): Promise<NotifySummary>;
  /** Redis's time now, with `wire.aheadMs`. */
  now(): Promise<number>;
  /** Commits an address now, and answers its epoch. */
  commit(ip: string): Promise<number>;
}

/** A Redis, and producer-notify in front of it as `lib/app.ts` would put it together. */
export async function setStage(
  t: TestContext,
  { env = {}, redis: options = {} }: { env?: Record<string, string>; redis?: TestRedisOptions } = {},
): Promise<Stage> {
  const server = await startTestRedis(t, options);
  const wire = createWire(server.redis);
  const world = createWorld(server.redis);
  const host = createHost();
  const config = loadConfig({
    LOCAL_UUID,
    REDIS_URL: server.url,
    REDIS_TOKEN: server.token,
    PEER_ALLOW_CIDRS: '127.0.0.0/8',
    IP_ALLOW_CIDRS: '203.0.113.0/24',
    REDIS_PREFIX: world.prefix,
    ...env,
  });
  const { log, lines } = recordLog();
  const parts = createParts({ config, log, host, redis: wire, invoke: async () => {} });
  const stage: Stage = {
    world,
    server,
    wire,
    host,
    lines,
    post: parts.post,
    run: (event = {}, change = {}) =>
      runProducerNotify(event, invocation({ remainingMs: () => 300_000, ...change }), {
        ...parts,
        post: (request) => stage.post(request),
      }),
    async now() {
      const [time] = await wire.send([['TIME']], { repeatable: true });
      const [seconds, micros] = Array.isArray(time) ? time : [];
      return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    },
    commit: async (ip) => world.commit(ip, await stage.now()),
  };
  return stage;
}

/** A stage with one producer, at a peer that answers with `reply`, which `IP_1` is due to. */
export async function stageWithPeer(
  t: TestContext,
  reply: Parameters<typeof startPeer>[1] = {},
): Promise<{ readonly stage: Stage; readonly peer: Peer; readonly epoch: number }> {
  const stage = await setStage(t);
  const peer = await startPeer(t, reply);
  await stage.world.produce(uuidOf(0), peer.address);
  return { stage, peer, epoch: await stage.commit(IP_1) };
}

/** The machine's clocks; `wallAheadMs` is added to the wall clock, as a freeze would. */
function createHost(): Host & { wallAheadMs: number } {
  return {
    ...systemHost,
    wallAheadMs: 0,
    wallMs() {
      return Date.now() + this.wallAheadMs;
    },
    random: () => 0,
  };
}
