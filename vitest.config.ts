import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';

const nodeSuites = [
  'unit',
  'property',
  'contract',
  'arch',
  'golden',
  'labs',
  'conformance',
  'fuzz',
];

export default defineConfig({
  plugins: [vue()],
  test: {
    globalSetup: ['test/support/require-node-24.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'node',
          environment: 'node',
          setupFiles: ['test/support/collect-event-kinds.ts'],
          include: nodeSuites.map((suite) => `test/${suite}/**/*.spec.ts`),
          exclude: ['test/unit/renderer/**', 'test/arch/fixtures/**'],
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
          // Each file has a host, a home and a browser of its own.
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
