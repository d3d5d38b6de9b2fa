import { spawn } from 'node:child_process';
import { fstatSync } from 'node:fs';
import type { Environment } from '../lib/config.ts';
import type { Host } from '../lib/host.ts';

/** A message that could not be sent is sent again after this time: systemd waits 90 s for the first one. */
const RETRY_MS = 10_000;

/** What started this process and wants to know how it is. */
export interface Supervisor {
  /** Tells that the start is over, or what is going on now. Never throws. */
  notify(news: { readonly ready?: true; readonly status: string }): void;
  /** Gives a sign of life at every half of the time that systemd allows, as long as `isWell`, until the signal aborts. */
  keepAlive(isWell: () => boolean, host: Pick<Host, 'sleep'>, signal: AbortSignal): Promise<void>;
}

/**
 * systemd's notification protocol (sd_notify(3)), where `NOTIFY_SOCKET` asks for it. Its socket is a datagram socket,
 * which Node cannot open, so systemd's own `systemd-notify` sends: the unit needs `NotifyAccess=all`. It waits until
 * systemd has read the message, so that its process is still known then.
 *
 * Every message repeats that the service is ready and its status, so one that got lost does no harm. One that could not
 * be sent is tried again. `onFailure` is told of the first failure in a row.
 */
export function createSupervisor(
  env: Environment,
  onFailure: (reason: string) => void,
  { retryMs = RETRY_MS }: { readonly retryMs?: number } = {},
): Supervisor {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, PATH } = env;
  let isReady = false;
  let status: string | undefined;
  let failing = false;
  let retry: NodeJS.Timeout | undefined;

  const send = (...extra: string[]) => {
    if (!NOTIFY_SOCKET) return;
    clearTimeout(retry);
    const ended = (failure?: string) => {
      if (failure !== undefined && !failing) onFailure(failure);
      failing = failure !== undefined;
      if (!failing) return;
      clearTimeout(retry);
      retry = setTimeout(send, retryMs, ...extra).unref();
    };
    const message = [
      ...(isReady ? ['--ready'] : []),
      ...(status === undefined ? [] : [`--status=${status}`]),
    ];
    // Nothing of our own environment: it holds the login to Redis.
    try {
      const child = spawn('systemd-notify', [...message, ...extra], {
        stdio: 'ignore',
        env: { NOTIFY_SOCKET, PATH },
      });
      child.once('error', (error) => ended(error.message));
      child.once('exit', (code) =>
        ended(code === 0 ? undefined : `systemd-notify ended with exit code ${code}`),
      );
      child.unref();
    } catch (error) {
      // No memory for another process.
      ended(String(error));
    }
  };

  return {
    notify(news) {
      isReady ||= news.ready === true;
      status = news.status;
      send();
    },
    async keepAlive(isWell, host, signal) {
      const everyMs = Number(WATCHDOG_USEC) / 2_000;
      const isOurs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
      if (!NOTIFY_SOCKET || !isOurs || !(everyMs > 0)) return;
      while (!signal.aborted) {
        if (isWell()) send('WATCHDOG=1');
        await host.sleep(everyMs, signal);
      }
    },
  };
}

/** Whether what is written to the file descriptor goes to systemd's journal (systemd.exec(5), `JOURNAL_STREAM`). */
export function isJournal({ JOURNAL_STREAM }: Environment, descriptor: number): boolean {
  if (JOURNAL_STREAM === undefined) return false;
  const { dev, ino } = fstatSync(descriptor);
  return JOURNAL_STREAM === `${dev}:${ino}`;
}
