import { registerHooks } from 'node:module';

/** Packages that a quiet run over REST has no use for. */
const HEAVY = ['@aws-sdk/', 'ioredis/'] as const;

/**
 * Watches which modules this process loads from now on, ESM and CommonJS alike. Answers a function that tells how many
 * were of a heavy package.
 */
export function watchHeavyModules(): () => number {
  let heavy = 0;
  registerHooks({
    load(url, context, nextLoad) {
      if (HEAVY.some((name) => url.includes(`/node_modules/${name}`))) heavy++;
      return nextLoad(url, context);
    },
  });
  return () => heavy;
}
