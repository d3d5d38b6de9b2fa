import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { encodeAnswer } from '../../local/redis/rest-answer.ts';
import { commandsOf, type FaceCommand } from '../../local/redis/rest-command.ts';
import type { UpstreamReply, UpstreamSlot } from '../../local/redis/upstream.ts';
import type { VirtualClock } from '../support/clock.ts';
import type { RedisServer } from '../support/redis-server.ts';
import type { Mistake } from '../support/tampered-redis.ts';
import { type CommitLog, createCommitLog } from './commits.ts';
import { type Connection, connect } from './connection.ts';
import type { Random } from './random.ts';
import { COMMITTING, mortal, scriptOf, withPlanted } from './scripts.ts';

/** How a request to Redis fares. */
export type Fate = 'arrives' | 'request-lost' | 'reply-lost' | 'refused' | 'failed' | 'script-dies';

/** The share of requests that fare badly, and what decides. */
interface Trouble {
  readonly share: number;
  readonly random: Random;
}

/** A request from a container, as the wire sees it: the scripts in it, by name. */
export interface Passing {
  readonly container: string;
  readonly scripts: readonly string[];
}

export interface WireOptions {
  readonly server: RedisServer;
  readonly clock: VirtualClock;
  readonly mistakes: readonly Mistake[];
  /** Called when a request has arrived, and when it was carried out and the answer is about to leave. */
  onRequest(passing: Passing): void;
  onCarriedOut(passing: Passing): void;
  onFault(fate: Fate): void;
  /** The producers that are listed at this moment. */
  listed(): ReadonlySet<string>;
}

/** The REST API in front of a real redis-server: it tells the virtual time, loses what it is told to lose, sees commits. */
export interface Wire {
  readonly url: string;
  readonly commits: CommitLog;
  readonly down: boolean;
  /** The share of requests that fare badly, and what decides. */
  trouble(share: number, random: Random): void;
  /** Commands of the world itself, past all trouble; they wait while Redis is down. */
  direct(...commands: FaceCommand[]): Promise<UpstreamReply[]>;
  /** A look that gives up where Redis is down. */
  peek(command: FaceCommand): Promise<UpstreamReply | undefined>;
  /** Kills redis-server, and starts it again after a while. */
  dropRedis(downMs: number): Promise<void>;
  /** Breaks the connection to Redis, with whatever is on it. */
  breakConnection(): Promise<void>;
  close(): Promise<void>;
}

export async function startWire(options: WireOptions): Promise<Wire> {
  const { server, clock, mistakes } = options;
  const commits = createCommitLog(clock);
  let connection: Connection | undefined = connect(server.url);
  let trouble: Trouble | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  /** One at a time: what the world does to Redis, and to its data. */
  const exclusively = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => {});
    return mine;
  };

  const carryOut = async (commands: readonly FaceCommand[], fate: Fate): Promise<UpstreamSlot[]> => {
    if (connection === undefined) throw new Error('Redis is down');
    const scripts = commands.map(scriptOf);
    const dies = fate === 'script-dies' ? scripts.findLastIndex(Boolean) : -1;
    const sent = commands.map((command, i): FaceCommand => {
      const script = scripts[i];
      if (script === undefined) return command;
      const planted = mistakes.filter((mistake) => mistake.script === script.name);
      if (i !== dies && planted.length === 0) return command;
      const lua = withPlanted(script, planted);
      return [
        'EVAL',
        i === dies ? mortal(lua, trouble?.random.between(0, 3) ?? 0) : lua,
        ...command.slice(2),
      ];
    });
    const mayCommit = scripts.some((script) => script !== undefined && COMMITTING.has(script.name));
    const slots = mayCommit
      ? await commits.watch(connection, sent, options.listed())
      : await connection.pipeline(sent);
    return slots.map((slot, i) => (commands[i]?.[0] === 'TIME' ? shifted(slot, clock.aheadMs) : slot));
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const commands = commandsOf(await bodyOf(request));
    const passing: Passing = {
      container: request.headers.authorization?.replace('Bearer ', '') ?? '',
      scripts: commands.flatMap((command) => scriptOf(command)?.name ?? []),
    };
    options.onRequest(passing);
    const fate = trouble === undefined ? 'arrives' : draw(trouble, passing.scripts);
    if (fate !== 'arrives') options.onFault(fate);
    if (fate === 'request-lost') return void request.socket.destroy();
    if (fate === 'refused') return answer(response, 429, '{"error":"ERR too many requests"}');
    const slots = await carryOut(commands, fate);
    options.onCarriedOut(passing);
    if (fate === 'reply-lost') return void request.socket.destroy();
    if (fate === 'failed') return answer(response, 502, '{"error":"ERR bad gateway"}');
    answer(response, 200, encodeAnswer(slots, 'plain'));
  };

  const http = createServer((request, response) => {
    handle(request, response).catch(() => answer(response, 502, '{"error":"ERR Redis does not answer"}'));
  });
  await new Promise<void>((resolve) => http.listen({ port: 0, host: '127.0.0.1' }, resolve));

  const reconnect = async () => {
    const next = connect(server.url);
    await commits.catchUp(next, options.listed());
    connection = next;
  };
  const disconnect = async () => {
    connection?.close();
    connection = undefined;
    await nextTurn();
  };

  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    commits,
    get down() {
      return connection === undefined;
    },
    trouble(share, random) {
      trouble = { share, random };
    },
    direct: (...commands) =>
      exclusively(async () => {
        if (connection === undefined) throw new Error('Redis is down');
        return (await connection.pipeline(commands)).map((slot) => {
          if ('error' in slot) throw new Error(slot.error);
          return slot.reply;
        });
      }),
    async peek(command) {
      try {
        const [slot] = (await connection?.pipeline([command])) ?? [];
        return slot !== undefined && 'reply' in slot ? slot.reply : undefined;
      } catch {
        return undefined;
      }
    },
    dropRedis: (downMs) =>
      exclusively(async () => {
        await server.kill();
        await disconnect();
        await delay(downMs);
        await server.restart();
        await reconnect();
      }),
    breakConnection: () =>
      exclusively(async () => {
        await disconnect();
        await reconnect();
      }),
    async close() {
      http.closeAllConnections();
      await new Promise<void>((resolve) => http.close(() => resolve()));
      connection?.close();
    },
  };
}

function draw({ share, random }: Trouble, scripts: readonly string[]): Fate {
  // Most checks change nothing: what hits one of them shows nothing.
  const mayCommit = scripts.some((script) => COMMITTING.has(script));
  if (!random.chance(mayCommit ? 3 * share : share)) return 'arrives';
  const fate = random.weighted<Fate>([
    [1, 'request-lost'],
    [2, 'reply-lost'],
    [1, 'refused'],
    [1, 'failed'],
    [mayCommit ? 4 : 1, 'script-dies'],
  ]);
  return fate === 'script-dies' && scripts.length === 0 ? 'reply-lost' : fate;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function answer(response: ServerResponse, status: number, body: string): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** What TIME answered, ahead by so much. */
function shifted(slot: UpstreamSlot, byMs: number): UpstreamSlot {
  if (!('reply' in slot) || !Array.isArray(slot.reply)) return slot;
  const [seconds, micros] = slot.reply.map(Number);
  const total = (seconds ?? 0) * 1_000_000 + (micros ?? 0) + byMs * 1_000;
  const digits = [Math.floor(total / 1_000_000), total % 1_000_000].map((part) => Buffer.from(String(part)));
  return { reply: digits };
}
