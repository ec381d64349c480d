/** The web host over the built page and machines that play the scene. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { resolveAppPaths } from '../../../src-main/hosts/app-paths.ts';
import { startMachineWorker } from '../../../src-main/hosts/machine/machine-link.ts';
import { createMachineSupervisor } from '../../../src-main/hosts/machine/machine-supervisor.ts';
import { startWebHost } from '../../../src-main/hosts/web/server.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');

export interface SceneHost {
  readonly url: string;
  close(): Promise<void>;
}

export async function startSceneHost(
  script: 'scene' | 'breach' | 'viommu' = 'scene',
): Promise<SceneHost> {
  const home = await mkdtemp(path.join(tmpdir(), 'siov-scene-home-'));
  const paths = resolveAppPaths(
    new URL(`file://${path.join(ROOT, 'src-main/hosts/web/main.ts')}`).href,
  );
  const quiet = (): void => undefined;
  const log = {
    info: quiet,
    warn: (text: string) => void console.warn(text),
    error: (text: string) => void console.error(text),
  };
  const host = await startWebHost({
    renderer: paths.renderer,
    log,
    startMachine: () =>
      createMachineSupervisor({
        log,
        start: (listener) =>
          startMachineWorker(
            new URL('scene-worker.ts', import.meta.url),
            { home, labs: script, sandboxModule: paths.sandboxModule, version: paths.version },
            listener,
          ),
      }),
  });
  return {
    url: host.url,
    close: async () => {
      await host.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}
