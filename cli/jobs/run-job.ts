import { createBootClock } from '../../host/clock.ts';
import { startRun } from '../../host/run.ts';
import type { AppParts } from '../../lib/app.ts';
import type { Invocation } from '../../lib/host.ts';
import type { PostToPeer } from '../../lib/peers/post.ts';
import { InterruptedError } from '../errors.ts';
import type { Terminal } from '../terminal.ts';
import type { Progress } from './progress.ts';

/** Nobody waits longer for a command; what a job has not done by then, the next run goes on with. */
const LIMIT_MS = 3_600_000;
/** What a job may take to hand back its work once it is interrupted: a request that is under way has its deadline. */
const HAND_BACK_MS = 8_000;

/**
 * Runs a job in this process. Ctrl-C has it finish or hand back what it began; its summary is then answered as ever, with
 * `interrupted`.
 */
export async function runHere<Summary>(
  { terminal, host }: { terminal: Terminal; host: AppParts['host'] },
  job: (invocation: Invocation) => Promise<Summary>,
): Promise<{ summary: Summary; interrupted: boolean }> {
  const run = startRun(createBootClock(host), LIMIT_MS);
  const interrupts = terminal.watchInterrupts();
  const hurry = () => run.hurry(HAND_BACK_MS);
  interrupts.signal.addEventListener('abort', hurry, { once: true });
  try {
    const summary = await job(run.invocation);
    return { summary, interrupted: interrupts.signal.aborted };
  } catch (error) {
    throw interrupts.signal.aborted ? new InterruptedError('Interrupted.', { cause: error }) : error;
  } finally {
    run.end();
    interrupts.end();
  }
}

/** Ticks for each call that has ended. */
export function counting(post: PostToPeer, progress: Progress): PostToPeer {
  return async (request) => {
    try {
      return await post(request);
    } finally {
      progress.tick();
    }
  };
}
