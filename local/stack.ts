import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Redis } from '../lib/redis/redis.ts';
import { handbook, opening } from './banner.ts';
import { countCalled, type Demo, giveTour, startDemo } from './demo.ts';
import type { LocalPorts, Stack } from './env.ts';
import type { StackEvent } from './events.ts';
import { readLogLine } from './function-log.ts';
import { type FunctionKey, invokeLocal } from './lambda.ts';
import { StartError } from './lifecycle.ts';
import { narrate } from './narrator.ts';
import { leaveNote } from './note.ts';
import { startOffline } from './offline.ts';
import { openOwnRedis } from './own-redis.ts';
import { serveLocalPage } from './page.ts';
import { type PortUse, requireFreePorts } from './ports.ts';
import { formatLine, type Line } from './terminal.ts';
import { startWatcher, type Watcher } from './watcher.ts';
import { NAMES } from './world/cast.ts';
import { knowledgeTable } from './world/knowledge.ts';
import { worldPorts, worldPortUses } from './world/ports.ts';

export interface StackParts {
  readonly folder: string;
  /** Prints; a row at a time or several. */
  readonly print: (text: string) => void;
  readonly colour: boolean;
  readonly columns: number;
  /** Registers what has to be ended; what was registered last ends first. */
  readonly onEnd: (end: () => Promise<void>) => void;
  /** Aborts when the stack is to end. */
  readonly signal: AbortSignal;
}

const DEMO_PAUSE_MS = 400;
const OWN_PAUSE_MS = 1_000;

/**
 * Runs the local stack until `signal` aborts: Redis and peers, `serverless offline`, the first runs, the narration.
 *
 * @throws StartError for what the user can put right, also when a part ends by itself later.
 */
export async function runStack(stack: Stack, parts: StackParts): Promise<void> {
  const { folder, print, onEnd, signal } = parts;
  await requireFreePorts(portUses(stack));
  print(opening(stack));

  const tell = (line: Line) => print(formatLine(line, new Date(), parts));
  const say = (text: string) => tell({ tag: 'stack', text });
  const called = countCalled();
  let invoke = async (_name: FunctionKey): Promise<void> => undefined;
  // A producer is called before Redis was looked at, but the change that caused it is to be told first.
  const calls: StackEvent[] = [];
  const tellCalls = () => {
    for (const call of calls.splice(0)) tell(narrate(call, NAMES));
  };
  const onEvent = (event: StackEvent) => {
    called.onEvent(event);
    if (event.kind === 'producer-called') {
      calls.push(event);
      return;
    }
    if (event.kind === 'not-told' || event.kind === 'all-told') tellCalls();
    // In the demo the producers themselves tell that they were called.
    if (!(event.kind === 'told' && stack.kind === 'demo')) tell(narrate(event, NAMES));
    if (event.kind === 'public-ip-set') void invoke('ip-check');
    // The others keep the pace of your schedule.
    if (event.kind === 'round' && onTour !== undefined && !onTour) void othersRound();
  };
  let onTour: boolean | undefined;
  const othersRound = async () => {
    await world?.round();
    await showKnowledge();
  };
  const showKnowledge = async () => {
    if (world === undefined || signal.aborted) return;
    const knowledge = await world.knowledge().catch(() => undefined);
    if (knowledge === undefined) return;
    tell({ tag: 'world', text: 'who knows whom:', details: knowledgeTable(knowledge) });
  };

  const { redis, world, redisEnded }: { redis: Redis } & Partial<Demo> =
    stack.kind === 'demo' ? await startDemo(stack, onEnd, onEvent) : { redis: await openOwn() };
  const watcher = await startWatcher({
    redis,
    prefix: stack.config.redis.prefix,
    onEvent,
    onLooked: tellCalls,
    pauseMs: stack.kind === 'demo' ? DEMO_PAUSE_MS : OWN_PAUSE_MS,
    always: stack.kind === 'demo',
  });
  onEnd(watcher.stop);

  onEnd(await serveLocalPage(stack, redis));
  if (stack.kind === 'demo') onEnd(leaveNote(folder, stack));
  say('starting the functions');
  const offline = await startOffline({
    folder,
    env: stack.env,
    port: stack.ports.lambda,
    onLine: openLog(resolve(folder, stack.logFile), onEvent, watcher),
    signal,
  });
  onEnd(offline.stop);
  const died = Promise.race([
    offline.exited.then(() => `"serverless offline" has ended. Its output is in ${stack.logFile}.`),
    ...(redisEnded === undefined
      ? []
      : [redisEnded.then(() => 'The embedded Redis has ended, and its data with it. Run npm start again.')]),
  ]).then((what) => {
    if (!signal.aborted) throw new StartError(what);
  });

  invoke = async (name) => {
    // A run that fails says so in the log, and one that was cut off belongs to a stack that ends.
    await invokeLocal(stack.ports.lambda, name, { source: 'schedule' }, signal).catch(() => undefined);
    await watcher.poke();
  };
  await Promise.race([died, firstRuns()]);
  await Promise.race([died, signal.aborted || once(signal, 'abort')]);

  async function openOwn(): Promise<Redis> {
    const opened = await openOwnRedis(stack.config, signal);
    onEnd(opened.close);
    return opened;
  }

  async function firstRuns(): Promise<void> {
    if (stack.kind === 'demo') {
      onTour = true;
      const roundOfAll = async () => {
        await Promise.all([invoke('sync'), world?.round()]);
        await showKnowledge();
      };
      await giveTour({ invoke, roundOfAll, say, allCalled: called.done, signal }).catch(() => undefined);
      onTour = false;
      if (!signal.aborted) print(handbook(stack));
      return;
    }
    print(handbook(stack));
    say('first round and first IP check, started now instead of by the schedule');
    await Promise.all([invoke('sync'), invoke('ip-check')]);
  }
}

function openLog(file: string, onEvent: (event: StackEvent) => void, watcher: Watcher) {
  const log = createWriteStream(file, { mode: 0o600 });
  log.on('error', () => undefined);
  return (line: string) => {
    log.write(`${line}\n`);
    const event = readLogLine(line);
    if (event !== undefined) onEvent(event);
    void watcher.poke();
  };
}

function portUses({ kind, ports }: Stack): PortUse[] {
  const use = (name: keyof LocalPorts, what: string, variable: string): PortUse => ({
    port: ports[name],
    what,
    variable,
  });
  return [
    use('lambda', 'the functions (serverless offline)', 'LOCAL_LAMBDA_PORT'),
    use('page', 'the status page', 'LOCAL_PAGE_PORT'),
    ...(kind === 'demo'
      ? [
          use('rest', "Redis's REST API", 'LOCAL_REST_PORT'),
          use('redis', 'the embedded Redis', 'LOCAL_REDIS_PORT'),
          ...worldPortUses(worldPorts(ports.world)),
        ]
      : []),
  ];
}
