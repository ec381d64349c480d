/**
 * A machine worker with a fake session behind the real LabApi, the real run control and real threads.
 * The lab id of `run.start` names what the "script" does.
 */
import { workerData } from 'node:worker_threads';
import type { MachineWorkerData } from '../../../../../src-main/hosts/machine/machine-link.ts';
import type { MachineServiceInputs } from '../../../../../src-main/hosts/machine-worker/serve-machine.ts';
import { serveMachine } from '../../../../../src-main/hosts/machine-worker/serve-machine.ts';
import { AppError } from '../../../../../src-main/protocol/app-error.ts';
import type { LabApi, RunState } from '../../../../../src-main/protocol/lab-api.ts';
import { labApi } from '../../../../../src-main/protocol/lab-api.ts';

type Inputs = MachineServiceInputs<LabApi>;

let openLab: string | null = null;
let isStopped = false;
let isResumed = false;
let runId = 0;

const state = (name: RunState['state'], message = ''): RunState => ({
  state: name,
  runId,
  problems: [],
  message,
});

/** What a script's interrupt handler sees: it polls about once a millisecond. */
function loopUntilStopped({ control }: Inputs): RunState {
  while (!isStopped) control.poll();
  return state('stopped');
}

function pauseThenFinish({ control, emit }: Inputs): RunState {
  emit('run.state', state('paused'));
  control.serveUntil(() => isResumed || isStopped);
  return state(isStopped ? 'stopped' : 'finished');
}

function hang(): never {
  for (;;);
}

function runScript(inputs: Inputs, behaviour: string): RunState {
  runId += 1;
  isStopped = false;
  isResumed = false;
  if (behaviour === 'crash') process.exit(7);
  if (behaviour === 'hang-in-engine') hang();
  inputs.control.setRunning(true);
  try {
    inputs.emit('run.state', state('running'));
    if (behaviour === 'polling-loop') return loopUntilStopped(inputs);
    if (behaviour === 'pause') return pauseThenFinish(inputs);
    if (behaviour === 'native-loop') return hang();
    return state('finished');
  } finally {
    inputs.control.setRunning(false);
  }
}

function answer(method: string): unknown {
  if (method === 'run.stop') isStopped = true;
  if (method === 'run.resume') isResumed = true;
  if (method.startsWith('run.')) return state(isStopped ? 'stopped' : 'running', openLab ?? 'none');
  throw new AppError('ERR_BUSY', `${method} has to wait`);
}

serveMachine<LabApi>(workerData as MachineWorkerData, labApi, (inputs) => ({
  handle: (method, params) => {
    const { labId = '' } = params as { labId?: string };
    if (method === 'lab.open') {
      openLab = labId;
      return { opened: labId };
    }
    if (method === 'file.save') return { revision: () => 'not a value that can be sent' };
    if (method === 'run.start') return runScript(inputs, labId);
    return answer(method);
  },
  serveWhilePaused: answer,
  dispose: () => {},
}));
