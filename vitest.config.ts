import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';

/** Suites that start processes, replace modules or compare with another process: each file has modules of its own. */
const hostSuites = ['contract', 'unit/build', 'unit/hosts'];

/** All others keep nothing in modules, so the files of a worker share what they import: most of the time went into importing it. */
const nodeSuites = ['unit', 'property', 'arch', 'golden', 'labs', 'conformance', 'fuzz'];

export default defineConfig({
  plugins: [vue()],
  test: {
    globalSetup: ['test/support/require-node-24.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Unasked, Vitest leaves one processor to itself; its main process has little to do.
    maxWorkers: '100%',
    projects: [
      {
        extends: true,
        test: {
          name: 'node',
          environment: 'node',
          isolate: false,
          setupFiles: ['test/support/collect-event-kinds.ts'],
          include: nodeSuites.map((suite) => `test/${suite}/**/*.spec.ts`),
          exclude: [
            ...hostSuites.map((suite) => `test/${suite}/**`),
            'test/unit/renderer/**',
            'test/arch/fixtures/**',
          ],
        },
      },
      {
        extends: true,
        test: {
          name: 'hosts',
          environment: 'node',
          setupFiles: ['test/support/collect-event-kinds.ts'],
          include: hostSuites.map((suite) => `test/${suite}/**/*.spec.ts`),
        },
      },
      {
        extends: true,
        test: {
          name: 'dom',
          environment: 'happy-dom',
          include: ['test/unit/renderer/**/*.spec.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          environment: 'node',
          include: ['test/e2e/**/*.e2e.ts'],
          // Each file has a host, a home and a browser of its own; three would only wait for each other.
          maxWorkers: 2,
          // A window that is slow is no failure; one that does not follow is.
          expect: { poll: { timeout: 20_000 } },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['src-main/**/*.ts', 'src-renderer/**/*.{ts,vue}'],
      reportsDirectory: 'out/coverage',
    },
  },
});
