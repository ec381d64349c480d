import { parentPort } from 'node:worker_threads';
import type { ApiSpec, EventData, EventName } from '../../protocol/define-api.ts';
import { createRpcServer } from '../../protocol/rpc-server.ts';
import type { RunControl } from '../../services/ports.ts';
import { createControlBlock } from '../machine/control-block.ts';
import type { MachineWorkerData, WorkerLogLine } from '../machine/machine-link.ts';
import { createRunControl } from './run-control.ts';

const HEARTBEAT_MS = 200;

export interface MachineService {
  handle(method: string, params: unknown): unknown;
  /** Answers at once, while learner code is on the stack. */
  serveWhilePaused(method: string, params: unknown): unknown;
  dispose(): void;
}

export interface MachineServiceInputs<A extends ApiSpec> {
  readonly control: RunControl;
  readonly emit: <N extends EventName<A>>(event: N, data: EventData<A, N>) => void;
}

/** Serves `api` on the worker's port until the host closes it. */
export function serveMachine<A extends ApiSpec>(
  { port, control: memory }: MachineWorkerData,
  api: A,
  createService: (inputs: MachineServiceInputs<A>) => MachineService,
): void {
  const control = createControlBlock(memory);
  const server = createRpcServer<A>({
    api,
    service: {
      handle: (method, params) => service.handle(method, params),
      serveWhilePaused: (method, params) => service.serveWhilePaused(method, params),
    },
    send: (message) => port.postMessage(message),
    onBug: (error, method) => {
      log({ level: 'error', text: `${method}: ${error instanceof Error ? error.stack : error}` });
    },
  });
  const runControl = createRunControl({
    port,
    control,
    serve: (message) => server.receiveWhilePaused(message),
  });
  const service = createService({
    control: runControl,
    emit: (event, data) => server.emit(event, data),
  });

  const heartbeat = setInterval(() => control.beat(), HEARTBEAT_MS);
  port.on('message', (message) => server.receive(message));
  port.on('close', () => {
    clearInterval(heartbeat);
    service.dispose();
  });
}

function log(line: WorkerLogLine): void {
  parentPort?.postMessage(line);
}
