import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ENTRY = 'cli/p2p.ts';
export const BUNDLE = 'dist/p2p-scheduler.mjs';

/**
 * What Node is to be started with on a host. V8 lets its young generation grow to 32 MB and more before it collects: a
 * host that is idle between ticks would keep 120 MB resident for what fits 90.
 */
export const NODE_OPTION = '--max-semi-space-size=1';

/** The oldest Node that runs it: `Promise.withResolvers` and the JavaScript that esbuild leaves as it is. */
const OLDEST_NODE = 22;

/** EX_CONFIG of sysexits(3): to start it again does not help, and the systemd unit does not (`RestartPreventExitStatus`). */
const EX_CONFIG = 78;

/**
 * Runs before everything else of the file, on whatever Node: says what is wrong with an old one, and gives the CommonJS
 * packages inside a `require` for Node's own modules. Node takes `--env-file` for its own unless a `--` is before it.
 */
const BANNER = `#!/usr/bin/env -S node ${NODE_OPTION} --
import { createRequire as __createRequire } from 'node:module';
if (Number.parseInt(process.versions.node, 10) < ${OLDEST_NODE}) {
  process.stderr.write(\`Node \${process.versions.node} is too old for p2p-scheduler: it needs Node ${OLDEST_NODE} or newer.\\n\`);
  process.exit(${EX_CONFIG});
}
const require = __createRequire(import.meta.url);`;

/**
 * Makes one file of the host and the operator's commands, with all that they import, for a machine that has Node and
 * nothing else. The AWS SDK is not in it: only `--stage` needs it. Licences of the packages inside stand at the end.
 *
 * @returns the file's size in bytes, and the names of the packages in it.
 */
export async function bundle(outfile: string): Promise<{ bytes: number; packages: readonly string[] }> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [ENTRY],
    outfile,
    write: false,
    metafile: true,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: `node${OLDEST_NODE}`,
    external: ['@aws-sdk/*'],
    // Stack traces stay readable; only what nobody reads goes.
    minifySyntax: true,
    keepNames: true,
    banner: { js: BANNER },
    logLevel: 'error',
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error('esbuild wrote nothing');
  const packages = packagesOf(Object.keys(metafile.inputs));
  const text = `${output.text}\n${packages.map(licenceOf).join('\n')}\n`;
  mkdirSync(dirname(outfile), { recursive: true });
  writeFileSync(outfile, text);
  chmodSync(outfile, 0o755);
  return { bytes: Buffer.byteLength(text), packages: packages.map((folder) => nameOf(folder)) };
}

/** The folders of the packages that the inputs are from. */
function packagesOf(inputs: readonly string[]): string[] {
  const folders = inputs.flatMap((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []);
  return [...new Set(folders)].sort();
}

function nameOf(folder: string): string {
  return folder.replace(/^.*node_modules\//, '');
}

function licenceOf(folder: string): string {
  const path = join(ROOT, folder);
  const { version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  const file = readdirSync(path).find((name) => /^licen[cs]e/i.test(name));
  const text = file === undefined ? '' : `\n\n${readFileSync(join(path, file), 'utf8').trim()}`;
  return `/*\n${nameOf(folder)} ${version}, ${license}${text.replaceAll('*/', '* /')}\n*/`;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const outfile = join(ROOT, BUNDLE);
  const { bytes, packages } = await bundle(outfile);
  process.stdout.write(
    `${relative(process.cwd(), outfile)}: ${Math.round(bytes / 1_000)} KB, Node ${OLDEST_NODE} or newer, with ${packages.join(', ')}\n`,
  );
}
