import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Below the root, so that what is left out of the bundle (the AWS SDK) is found. */
const NODE_MODULES = fileURLToPath(new URL('../../node_modules/', import.meta.url));

export interface WorkerFile {
  readonly path: string;
  remove(): Promise<void>;
}

/**
 * Makes one file of `worker.ts` and all that it imports. A run starts a process for each one that it kills, and loading a
 * hundred TypeScript files took most of a run's time.
 *
 * In it the machine of `lib/app.ts` waits by `quick-second-look.ts`.
 */
export async function bundleWorker(): Promise<WorkerFile> {
  const folder = await mkdtemp(join(NODE_MODULES, '.p2p-chaos-'));
  const path = join(folder, 'worker.mjs');
  await build({
    entryPoints: [join(HERE, 'worker.ts')],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['@aws-sdk/*'],
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
    logLevel: 'error',
    plugins: [
      {
        name: 'quick-second-look',
        setup({ onResolve }) {
          onResolve({ filter: /^node:timers\/promises$/ }, ({ importer }) =>
            importer.endsWith('/lib/app.ts') ? { path: join(HERE, 'quick-second-look.ts') } : undefined,
          );
        },
      },
    ],
  });
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}
