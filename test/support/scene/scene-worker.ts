/** Entry of a machine worker whose only lab is the scene and whose SDK can play it. */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { workerData } from 'node:worker_threads';
import type { MachineWorkerData } from '../../../src-main/hosts/machine/machine-link.ts';
import type { LabApi } from '../../../src-main/protocol/lab-api.ts';

const SDK = '/src-main/script/sdk/sdk-modules.ts';
const OURS = new URL('sdk-modules.ts', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return found.url.endsWith(SDK) && context.parentURL !== OURS ? { ...found, url: OURS } : found;
  },
});

const { nodeCrypto } = await import('../../../src-main/hosts/crypto/node-crypto.ts');
const { createFileStorage } = await import('../../../src-main/hosts/storage/file-storage.ts');
const { serveMachine } = await import('../../../src-main/hosts/machine-worker/serve-machine.ts');
const { labApi } = await import('../../../src-main/protocol/lab-api.ts');
const { createSession } = await import('../../../src-main/services/session.ts');
const { memoryLibrary } = await import('../tiny-lab.ts');
const { BREACH_FOLDER, SCENE_FOLDER, VIOMMU_FOLDER } = await import('./scene-lab.ts');

const data = workerData as MachineWorkerData;
const folder =
  { breach: BREACH_FOLDER, viommu: VIOMMU_FOLDER }[data.labs as string] ?? SCENE_FOLDER;

serveMachine<LabApi>(data, labApi, ({ control, emit }) =>
  createSession({
    storage: createFileStorage({ folder: data.home }),
    labs: { ...memoryLibrary({ '010-scene': folder }), readBytes: () => new Uint8Array() },
    clock: { nowMs: Date.now },
    control,
    emit,
    version: data.version,
    loadSandbox: () => Uint8Array.from(readFileSync(data.sandboxModule)),
    crypto: nodeCrypto,
  }),
);
