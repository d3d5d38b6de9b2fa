import { VERSION } from '../lib/version.ts';
import type { Context } from './context.ts';
import { EXIT, type ExitCode } from './exit-code.ts';

/** `p2p version`. */
export async function version({ args, screen }: Context): Promise<ExitCode> {
  const versions = {
    scheduler: VERSION,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  };
  if (args.flag('json')) screen.json(versions);
  else
    screen.line(`p2p-consumer-scheduler ${versions.scheduler} (Node ${versions.node}, ${versions.platform})`);
  return EXIT.ok;
}
