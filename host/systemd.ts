import { spawn } from 'node:child_process';
import { fstatSync } from 'node:fs';
import type { Host } from '../lib/host.ts';
import type { Environment } from './env-file.ts';

/** What started this process and wants to know how it is. */
export interface Supervisor {
  /** Tells that the start is over, or what is going on now. Never throws. */
  notify(news: { readonly ready?: true; readonly status: string }): void;
  /** Tells at every half of the time that systemd allows, as long as `isWell`, until the signal aborts. */
  keepAlive(isWell: () => boolean, host: Pick<Host, 'sleep'>, signal: AbortSignal): Promise<void>;
}

/**
 * systemd's notification protocol (sd_notify(3)), where `NOTIFY_SOCKET` asks for it. Its socket is a datagram socket,
 * which Node cannot open, so systemd's own `systemd-notify` sends: the unit needs `NotifyAccess=all`. It waits until
 * systemd has read the message, so that its process is still known then.
 *
 * `onFailure` is told once, if it cannot be run.
 */
export function createSupervisor(env: Environment, onFailure: (reason: string) => void): Supervisor {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, PATH } = env;
  let failed = false;

  const send = (...args: string[]) => {
    if (!NOTIFY_SOCKET || failed) return;
    const fail = (reason: string) => {
      if (!failed) onFailure(reason);
      failed = true;
    };
    // Nothing of our own environment: it holds the login to Redis.
    const child = spawn('systemd-notify', args, { stdio: 'ignore', env: { NOTIFY_SOCKET, PATH } });
    child.once('error', ({ message }) => fail(message));
    child.once('exit', (code) => code === 0 || fail(`systemd-notify ended with exit code ${code}`));
    child.unref();
  };

  return {
    notify: ({ ready, status }) => send(...(ready ? ['--ready'] : []), `--status=${status}`),
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
