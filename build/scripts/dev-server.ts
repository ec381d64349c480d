/** `npm run dev`: the web host from sources with Vite's hot reload in place of the built page. */
import path from 'node:path';
import vue from '@vitejs/plugin-vue';
import { createServer } from 'vite';
import { resolveAppPaths } from '../../src-main/hosts/app-paths.ts';
import type { Log } from '../../src-main/hosts/log/log.ts';
import { startMachineWorker } from '../../src-main/hosts/machine/machine-link.ts';
import { createMachineSupervisor } from '../../src-main/hosts/machine/machine-supervisor.ts';
import { findHomeFolder } from '../../src-main/hosts/storage/home-folder.ts';
import { startWebHost } from '../../src-main/hosts/web/server.ts';

const DEFAULT_PORT = 5180;

const root = path.resolve(import.meta.dirname, '../..');
const paths = resolveAppPaths(new URL('../../src-main/hosts/web/main.ts', import.meta.url).href);
const log: Log = {
  info: (text) => console.log(text),
  warn: (text) => console.warn(text),
  error: (text) => console.error(text),
};

const host = await startWebHost({
  renderer: paths.renderer,
  port: Number(process.env['SIOV_LAB_DEV_PORT'] ?? DEFAULT_PORT),
  token: process.env['SIOV_LAB_TOKEN'],
  log,
  startMachine: () =>
    createMachineSupervisor({
      log,
      start: (listener) =>
        startMachineWorker(
          paths.machineWorker,
          {
            home: findHomeFolder(),
            labs: paths.labs,
            sandboxModule: paths.sandboxModule,
            version: paths.version,
          },
          listener,
        ),
    }),
  createPageServer: async (server) => {
    const vite = await createServer({
      configFile: false,
      root: path.join(root, 'src-renderer'),
      plugins: [vue()],
      worker: { format: 'es' },
      cacheDir: path.join(root, 'node_modules/.cache/vite'),
      appType: 'spa',
      server: { middlewareMode: true, hmr: { server } },
    });
    return (request, response) => vite.middlewares(request, response);
  },
});
console.log(`S-IOV Lab for development is at ${host.url}`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    void host.close().finally(() => process.exit(0));
  });
}
