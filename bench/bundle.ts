import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build, type Plugin } from 'esbuild';

/** The functions as they are deployed. */
export const FUNCTIONS = ['sync', 'ip-check', 'producer-notify'] as const;

export interface Bundles {
  /** The file of one function. */
  fileOf(name: (typeof FUNCTIONS)[number]): string;
  end(): Promise<void>;
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const require_ = createRequire(import.meta.url);

/** What of serverless.yml's `custom.esbuild` is read here. */
interface BundleSettings {
  readonly minify: boolean;
  readonly target: string;
  readonly format: 'cjs';
  readonly outputFileExtension: string;
  readonly exclude: readonly string[];
  readonly supported: Record<string, boolean>;
  readonly plugins: string;
}

/** Bundles each function as packaging does: the settings are asked of the Serverless Framework, not repeated here. */
export async function bundleFunctions(): Promise<Bundles> {
  const settings = await readSettings();
  const folder = await mkdtemp(join(tmpdir(), 'p2p-bench-bundle-'));
  const end = () => rm(folder, { recursive: true, force: true });
  try {
    await build({
      absWorkingDir: ROOT,
      entryPoints: FUNCTIONS.map((name) => `functions/${name}.ts`),
      outdir: folder,
      outExtension: { '.js': settings.outputFileExtension },
      bundle: true,
      platform: 'node',
      minify: settings.minify,
      target: settings.target,
      format: settings.format,
      external: [...settings.exclude],
      supported: settings.supported,
      plugins: require_(join(ROOT, settings.plugins)) as Plugin[],
      logLevel: 'error',
    });
  } catch (error) {
    await end();
    throw error;
  }
  return { fileOf: (name) => join(folder, `${name}${settings.outputFileExtension}`), end };
}

async function readSettings(): Promise<BundleSettings> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(ROOT, 'node_modules/.bin/serverless'), 'print', '--path', 'custom.esbuild', '--format', 'json'],
    { cwd: ROOT, env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' } },
  );
  return JSON.parse(stdout) as BundleSettings;
}
