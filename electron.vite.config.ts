import { cpSync } from 'node:fs';
import path from 'node:path';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'electron-vite';
import type { Plugin } from 'vite';

const fromRoot = (file: string): string => path.resolve(import.meta.dirname, file);

/** What the hosts read at run time stands beside them in `out/`. */
const RUNTIME_FILES: readonly (readonly [string, string])[] = [
  ['labs', 'out/labs'],
  ['node_modules/quickjs-wasi/quickjs.wasm', 'out/main/quickjs.wasm'],
  ['build/icons/icon.png', 'out/main/icon.png'],
];

function copyRuntimeFiles(): Plugin {
  return {
    name: 'siov-lab:copy-runtime-files',
    writeBundle() {
      for (const [from, to] of RUNTIME_FILES) {
        cpSync(fromRoot(from), fromRoot(to), { recursive: true, force: true });
      }
    },
  };
}

export default defineConfig({
  main: {
    plugins: [copyRuntimeFiles()],
    build: {
      outDir: fromRoot('out/main'),
      externalizeDeps: false,
      // Readable stacks without a map that is twice as large as the program.
      minify: false,
      reportCompressedSize: false,
      rolldownOptions: {
        // Names that `src-main/hosts/app-paths.ts` and package.json know.
        input: {
          electron: fromRoot('src-main/hosts/electron/main.ts'),
          web: fromRoot('src-main/hosts/web/main.ts'),
          cli: fromRoot('src-main/hosts/cli/main.ts'),
          'machine-worker': fromRoot('src-main/hosts/machine-worker/main.ts'),
        },
        checks: { pluginTimings: false },
        output: {
          format: 'es',
          entryFileNames: '[name].js',
          chunkFileNames: 'chunks/[name]-[hash].js',
        },
      },
    },
  },
  preload: {
    build: {
      outDir: fromRoot('out/preload'),
      externalizeDeps: false,
      reportCompressedSize: false,
      rolldownOptions: {
        input: { preload: fromRoot('src-main/preload/main.ts') },
        // A sandboxed preload script must be one CommonJS file.
        output: { format: 'cjs', entryFileNames: '[name].cjs', codeSplitting: false },
      },
    },
  },
  renderer: {
    root: fromRoot('src-renderer'),
    plugins: [vue()],
    worker: { format: 'es' },
    build: {
      outDir: fromRoot('out/renderer'),
      minify: true,
      reportCompressedSize: false,
      chunkSizeWarningLimit: 8000,
      rolldownOptions: {
        input: { index: fromRoot('src-renderer/index.html') },
        checks: { pluginTimings: false },
      },
    },
  },
});
