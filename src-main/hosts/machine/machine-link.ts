import type { MessagePort } from 'node:worker_threads';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { ControlBlock } from './control-block.ts';
import { createControlBlock } from './control-block.ts';

/** Where a machine worker finds what it needs; passed to it as `workerData`. */
export interface MachineFolders {
  readonly home: string;
  readonly labs: string;
  /** The sandbox's WebAssembly module. */
  readonly sandboxModule: string;
  readonly version: string;
}

export interface MachineWorkerData extends MachineFolders {
  readonly port: MessagePort;
  readonly control: SharedArrayBuffer;
}

/** What a worker reports beside LabApi: lines for the host's log. */
export interface WorkerLogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
}

/** A running machine worker as its supervisor sees it. */
export interface MachineLink {
  readonly control: ControlBlock;
  send(message: unknown): void;
  /** Kills the worker, whatever it does. */
  terminate(): Promise<void>;
  /** Lets the worker end by itself; kills it when it does not. */
  close(): Promise<void>;
}

export interface MachineLinkListener {
  onMessage(message: unknown): void;
  onLog(line: WorkerLogLine): void;
  /** The worker is gone without having been asked. */
  onCrash(reason: string): void;
}

const CLOSE_GRACE_MS = 500;

export function startMachineWorker(
  entry: string | URL,
  folders: MachineFolders,
  listener: MachineLinkListener,
): MachineLink {
  const control = createControlBlock();
  const { port1, port2 } = new MessageChannel();
  const workerData: MachineWorkerData = { ...folders, port: port2, control: control.memory };
  const worker = new Worker(entry, {
    workerData,
    transferList: [port2],
    name: 'siov-machine',
    stdout: false,
    stderr: false,
  });
  let isExpected = false;
  let reason = '';

  port1.on('message', (message) => listener.onMessage(message));
  worker.on('message', (line: unknown) => {
    // Node's watch mode reports imports on the same way.
    if (isLogLine(line)) listener.onLog(line);
  });
  worker.on('error', (error) => {
    reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  });
  const exit = new Promise<void>((resolve) => {
    worker.on('exit', (code) => {
      port1.close();
      resolve();
      if (!isExpected) listener.onCrash(reason === '' ? `ended with code ${code}` : reason);
    });
  });

  const terminate = async (): Promise<void> => {
    isExpected = true;
    await worker.terminate();
  };

  return {
    control,
    send: (message) => {
      port1.postMessage(message);
      control.ring();
    },
    terminate,
    close: async () => {
      isExpected = true;
      port1.close();
      control.ring();
      const patience = setTimeout(() => void worker.terminate(), CLOSE_GRACE_MS);
      await exit;
      clearTimeout(patience);
    },
  };
}

function isLogLine(value: unknown): value is WorkerLogLine {
  if (typeof value !== 'object' || value === null || !('level' in value)) return false;
  return 'text' in value && ['info', 'warn', 'error'].includes(String(value.level));
}
