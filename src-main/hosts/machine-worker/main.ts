/** Entry of the machine worker: one session of the lab in a thread of its own. */
import { readFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import type { LabApi } from '../../protocol/lab-api.ts';
import { labApi } from '../../protocol/lab-api.ts';
import { createSession } from '../../services/session.ts';
import { nodeCrypto } from '../crypto/node-crypto.ts';
import { createLabFiles } from '../labs/lab-files.ts';
import type { MachineWorkerData } from '../machine/machine-link.ts';
import { createFileStorage } from '../storage/file-storage.ts';
import { serveMachine } from './serve-machine.ts';

const data = workerData as MachineWorkerData;

serveMachine<LabApi>(data, labApi, ({ control, emit }) =>
  createSession({
    storage: createFileStorage({ folder: data.home }),
    labs: createLabFiles(data.labs),
    clock: { nowMs: Date.now },
    control,
    emit,
    version: data.version,
    loadSandbox: () => Uint8Array.from(readFileSync(data.sandboxModule)),
    crypto: nodeCrypto,
  }),
);
