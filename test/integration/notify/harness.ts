import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '../../../lib/config.ts';
import { type RedisReplyError, RedisUnavailableError } from '../../../lib/errors.ts';
import type { Host, Invocation, Log, LogFields } from '../../../lib/host.ts';
import { type NotifySummary, runProducerNotify } from '../../../lib/notify/notify.ts';
import { createAddressPolicy } from '../../../lib/peers/address.ts';
import { createPostToPeer, type PostToPeer } from '../../../lib/peers/post.ts';
import type { Command, Redis, Reply, ScriptCall } from '../../../lib/redis/redis.ts';
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
  return {
    aheadMs: 0,
    sent: [],
    loseReplyOf: undefined,
    loseRequestOf: undefined,
    onReplyOf: {},
    close: redis.close,
    async send(requests, options) {
      const names = requests.flatMap(doneBy);
      this.sent.push(...requests.map((one) => ('script' in one ? one.script.name : one[0])));
      // Whoever repeats a claim leases deliveries to nobody.
      if (names.includes('claim')) assert.equal(options.repeatable, false);
      if (this.loseRequestOf !== undefined && names.includes(this.loseRequestOf)) {
        this.loseRequestOf = undefined;
        throw new RedisUnavailableError('The connection broke.', { mayHaveRun: true });
      }
      const replies = await redis.send(requests, options);
      for (const name of names) await this.onReplyOf[name]?.();
      if (this.loseReplyOf !== undefined && names.includes(this.loseReplyOf)) {
        this.loseReplyOf = undefined;
        throw new RedisUnavailableError('The connection broke.', { mayHaveRun: true });
      }
      return replies.map((reply, i) => {
        const request = requests[i];
        return Array.isArray(request) && request[0] === 'TIME' ? shifted(reply, this.aheadMs) : reply;
      });
    },
  };
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

function shifted(reply: Reply | RedisReplyError, byMs: number): Reply | RedisReplyError {
  if (!Array.isArray(reply)) return reply;
  const [seconds, micros] = reply;
  const ms = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000) + byMs;
  return [String(Math.floor(ms / 1_000)), String((ms % 1_000) * 1_000)];
}

export interface Stage {
  readonly world: World;
  readonly server: TestRedis;
  readonly wire: Wire;
  readonly host: ReturnType<typeof createHost>;
  /** Everything that was logged. */
  readonly lines: { level: string; message: string; fields?: LogFields }[];
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
    ...env,
  });
  const policy = createAddressPolicy({ defaultPort: config.peers.port, allow: config.peers.allowCidrs });
  const lines: Stage['lines'] = [];
  const line = (level: string) => (message: string, fields?: LogFields) => {
    lines.push({ level, message, ...(fields && { fields }) });
  };
  const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };

  let runs = 0;
  const stage: Stage = {
    world,
    server,
    wire,
    host,
    lines,
    post: createPostToPeer({ policy, version: '0.0.0' }),
    run: (event = {}, invocation = {}) =>
      runProducerNotify(
        event,
        {
          requestId: `run-${++runs}`,
          signal: new AbortController().signal,
          remainingMs: () => 300_000,
          ...invocation,
        },
        { config, redis: wire, keys: world.keys, policy, post: (request) => stage.post(request), host, log },
      ),
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
    wallAheadMs: 0,
    monotonicMs: () => performance.now(),
    wallMs() {
      return Date.now() + this.wallAheadMs;
    },
    random: () => 0,
    sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}).catch(() => undefined),
  };
}
