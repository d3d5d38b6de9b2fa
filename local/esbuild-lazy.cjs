// Keeps packages that only some runs need out of the functions' bundles. esbuild's CommonJS output inlines a module that
// is imported dynamically together with all that it imports; here such a package becomes a file beside the functions,
// required when the module that needs it is evaluated.
'use strict';

const { readFile } = require('node:fs/promises');
const path = require('node:path');
const { build } = require('esbuild');

/** Imported only by modules that are themselves imported dynamically: ioredis by `lib/redis/link.ts`. */
const LAZY = ['ioredis'];

/** Files with Lua in them. Minifying leaves the text of a template literal as it is. */
const WITH_LUA = /[\\/]lib[\\/](.*\.lua|store[\\/].*|redis[\\/]lease)\.ts$/;

module.exports = [
  {
    // Lua's indentation and its lines of comment are an eighth of producer-notify's own code.
    name: 'lua-without-comments',
    setup({ onLoad }) {
      onLoad({ filter: WITH_LUA }, async ({ path: file }) => {
        const text = await readFile(file, 'utf8');
        return { contents: text.replace(/^[ \t]+/gm, '').replace(/^--[ \t].*\n/gm, ''), loader: 'ts' };
      });
    },
  },
  {
    name: 'lazy-packages',
    setup({ initialOptions, onResolve, onEnd }) {
      const extension = initialOptions.outExtension?.['.js'] ?? '.js';
      const used = new Set();

      onResolve({ filter: new RegExp(`^(${LAZY.join('|')})$`) }, ({ path: name }) => {
        used.add(name);
        return { path: `./${name}${extension}`, external: true };
      });

      onEnd(async () => {
        await Promise.all(
          [...used].map((name) =>
            build({
              stdin: { contents: `module.exports = require('${name}');`, resolveDir: process.cwd() },
              outfile: path.join(initialOptions.outdir, `${name}${extension}`),
              bundle: true,
              minify: initialOptions.minify,
              platform: 'node',
              target: initialOptions.target,
              format: 'cjs',
            }),
          ),
        );
      });
    },
  },
];
