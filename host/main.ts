import { setTimeout as delay } from 'node:timers/promises';
import { type Config, type Environment, loadConfig } from '../lib/config.ts';
import { ConfigError, IdentityError } from '../lib/errors.ts';
import { type Log, systemHost } from '../lib/host.ts';
import { createLineWriter } from '../lib/line-writer.ts';
import { createLog, createScrub, secretsOf } from '../lib/log.ts';
import { VERSION } from '../lib/version.ts';
import { createChecks } from './checks.ts';
import { createBootClock } from './clock.ts';
import { onEndRequest } from './end-request.ts';
import type { GivenEnvironment } from './env-file.ts';
import { watchForHints } from './hints/hints.ts';
import { createJobs } from './jobs.ts';
import { runOnSchedule } from './schedule.ts';
import { createSupervisor, isJournal } from './systemd.ts';
import { createTrouble } from './trouble.ts';
import { createWatching } from './watching.ts';

/**
 * Exit codes of the host. `misconfigured` is EX_CONFIG of sysexits(3): to start it again does not help until somebody has
 * changed something, and the systemd unit does not.
 */
export const EXIT = { ended: 0, broken: 1, misconfigured: 78 } as const;

/** What runs may take to finish or hand back their work once the process is asked to end, */
const HAND_BACK_MS = 8_000;
/** and after which it ends all the same. */
const END_WITHIN_MS = 9_500;

/** What the host does beside answering signals: runs until the signal aborts, then ends what it began. Must not reject. */
export type Service = (signal: AbortSignal) => Promise<void>;

/** The names under which the jobs invoke each other in this process, whatever the functions of a Lambda are called. */
const OWN_NAMES = { SYNC_FUNCTION: 'sync', PRODUCER_NOTIFY_FUNCTION: 'producer-notify' } as const;

/** What the schedules send to the functions. */
const SCHEDULED = { source: 'schedule' };

/**
 * Runs the scheduler on this machine until SIGINT, SIGTERM or SIGHUP: a round of synchronization and an IP check at once and then
 * at their intervals, and deliveries when there are any. A Redis or a network that is not there is waited for.
 *
 * Logs to stdout; what keeps it from starting goes to stderr. Resolves with one of `EXIT`, and the caller ends the process.
 */
export async function runHost(read: () => GivenEnvironment): Promise<number> {
  try {
    const { env, origin } = read();
    return await runUntilAsked(loadConfig({ ...env, ...OWN_NAMES }, origin), env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT.misconfigured;
  }
}

async function runUntilAsked(config: Config, env: Environment): Promise<number> {
  const log = openLog(config, env);
  const host = systemHost;
  const clock = createBootClock(host);
  const supervisor = createSupervisor(env, (reason) => {
    log.warn('systemd could not be told how this service is', { reason });
  });
  const trouble = createTrouble({
    log,
    clock,
    onRedis: (state) => supervisor.notify({ status: state === 'away' ? 'Redis is away' : 'Running' }),
  });
  const end = Promise.withResolvers<NodeJS.Signals | 'foreign'>();
  const watching = createWatching({ config, log, host });
  const jobs = createJobs({
    config,
    log,
    clock,
    host,
    onResult: (result) => {
      trouble.onResult(result);
      watching.onResult(result);
      // Found at the start, somebody is there to put it right; found later, the process waits for that.
      const foreign = result.kind === 'failed' && result.error instanceof IdentityError;
      if (foreign && !trouble.hasWorked) end.resolve('foreign');
    },
  });
  process.on('uncaughtException', (error) => {
    log.error('The scheduler is broken and ends; what it had begun is taken up after the next start', {
      error,
    });
    process.exit(EXIT.broken);
  });

  log.info('The scheduler runs on this host', {
    version: VERSION,
    node: process.version,
    uuid: config.localUuid,
    redis: new URL(config.redis.url).host,
    syncEveryMs: config.sync.intervalMs,
    ipCheckEveryMs: config.ip.intervalMs,
  });
  const ending = new AbortController();
  const { hints } = config.host;
  const checks = createChecks({
    periodMs: config.ip.intervalMs,
    repeat: hints.interface || hints.gateway,
    clock,
  });
  const check = async () => {
    const result = await jobs.run('ip-check', SCHEDULED);
    return result?.kind === 'done' && result.job === 'ip-check' && result.summary.outcome !== 'unknown';
  };
  const onHint = (why: string) => {
    log.debug('The address is checked at once', { why });
    checks.hint();
  };
  const services: readonly Service[] = [
    (signal) =>
      runOnSchedule({ periodMs: config.sync.intervalMs, clock, signal }, async () => {
        await jobs.run('sync', SCHEDULED);
      }),
    (signal) => checks.run(check, signal),
    (signal) => watchForHints({ config, clock, host, log, onHint }, signal),
    (signal) => supervisor.keepAlive(() => jobs.leftBehind === 0, host, signal),
    watching.run,
  ];
  const working = services.map((run) => run(ending.signal));
  supervisor.notify({ ready: true, status: 'Running' });

  onEndRequest(end.resolve);
  const why = await end.promise;
  log.info('The scheduler ends', { why: why === 'foreign' ? 'Redis belongs to another consumer' : why });
  ending.abort();
  const over = new AbortController();
  const inTime = await Promise.race([
    Promise.all([jobs.end(HAND_BACK_MS), ...working]).then(() => true),
    delay(END_WITHIN_MS, false, { signal: over.signal }),
  ]);
  over.abort();
  if (!inTime) log.warn('Not everything could be handed back; it is taken up when its leases have ended');
  return why === 'foreign' ? EXIT.misconfigured : EXIT.ended;
}

function openLog(config: Config, env: Environment): Log {
  // Nobody reads it any more: no reason to stop working.
  process.stdout.on('error', () => undefined);
  const writer = createLineWriter({
    ...config.host.log,
    write: (line) => process.stdout.write(line),
    journal: isJournal(env, process.stdout.fd),
  });
  return createLog(writer, createScrub(secretsOf(config)));
}
