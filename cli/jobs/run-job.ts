import { createBootClock } from '../../host/clock.ts';
import { startRun } from '../../host/run.ts';
import type { AppParts } from '../../lib/app.ts';
import type { Invocation } from '../../lib/host.ts';
import type { PostToPeer } from '../../lib/peers/post.ts';
import type { Context } from '../context.ts';
import { InterruptedError } from '../errors.ts';
import { startProgress } from './progress.ts';

/** The event of a job that the operator starts; the schedules send one like it. */
export const SCHEDULED = { source: 'operator' };

/** Nobody waits longer for a command; what a job has not done by then, the next run goes on with. */
const LIMIT_MS = 3_600_000;
/** What a job may take to hand back its work once it is interrupted: a request that is under way has its deadline. */
const HAND_BACK_MS = 8_000;

/**
 * Runs a job in this process, and shows how many of `total` calls it has made, if it is to. Ctrl-C has it finish or hand back
 * what it began; its summary is then answered as ever, with `interrupted`.
 */
export async function runHere<Summary>(
  { terminal }: Pick<Context, 'terminal'>,
  parts: AppParts,
  job: (invocation: Invocation, parts: AppParts) => Promise<Summary>,
  calls?: { readonly label: string; readonly total: number },
): Promise<{ summary: Summary; interrupted: boolean }> {
  const { host } = parts;
  const run = startRun(createBootClock(host), LIMIT_MS);
  const interrupts = terminal.watchInterrupts();
  const hurry = () => run.hurry(HAND_BACK_MS);
  interrupts.signal.addEventListener('abort', hurry, { once: true });
  const progress = calls && startProgress(terminal, { ...calls, nowMs: () => host.monotonicMs() });
  const post: PostToPeer = (request) => parts.post(request).finally(() => progress?.tick());
  try {
    const summary = await job(run.invocation, { ...parts, post });
    return { summary, interrupted: interrupts.signal.aborted };
  } catch (error) {
    throw interrupts.signal.aborted ? new InterruptedError('Interrupted.', { cause: error }) : error;
  } finally {
    progress?.end();
    run.end();
    interrupts.end();
  }
}
