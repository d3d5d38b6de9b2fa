import { forkChild } from './children.ts';
import type { Run } from './measure.ts';

/**
 * What takes part in a comparison: a module whose `prepare` gets ready (connects, reads its input) and answers what one
 * run is. Each has a process of its own, so that neither memory nor compiled code of another is counted as its own.
 */
export type Prepare<Params> = (params: Params) => Promise<Prepared>;

export interface Prepared {
  /** One run, timed from the outside. Answers facts about it, all numbers. Throws if the run did not do its work. */
  run(): Promise<Readonly<Record<string, number>>>;
}

/** A contestant in its process, as the parent sees it. */
export interface Contestant {
  readonly pid: number;
  run(): Promise<Run>;
  end(): Promise<void>;
}

/**
 * Starts `module`, which exports `prepare`, with its parameters. With `samplesMemory` its runs collect garbage all the
 * time, to tell what is in use from what nobody has cleared away yet: that takes time, so time it no more.
 */
export async function startContestant<Params>(
  module: URL,
  params: Params,
  { samplesMemory = false }: { samplesMemory?: boolean } = {},
): Promise<Contestant> {
  const { child } = await forkChild<object, Run>(new URL('./contestant-child.ts', import.meta.url), {
    argument: JSON.stringify({ module: module.href, params, samplesMemory }),
    env: { PATH: process.env.PATH ?? '' },
  });
  return { pid: child.pid, run: () => child.ask({}), end: child.end };
}
