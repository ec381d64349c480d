/** Runs a script in a worker thread and pauses at requests that come through shared memory, as the machine host does. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ControlWord } from '../../src-main/script/control-word.ts';
import { createBlockingPausePort } from '../../src-main/script/pause-port.ts';
import type { ResumeCommand } from '../../src-main/script/pause-port.ts';
import { createScriptEngine, createScriptRunner } from '../../src-main/script/script-runner.ts';
import { loadWasmFromPackage } from '../../src-main/script/wasm-node.ts';

const port = parentPort;
if (port === null) throw new Error('Not in a worker');
const { control: buffer, source } = workerData as {
  readonly control: SharedArrayBuffer;
  readonly source: string;
};
const control = new ControlWord(buffer);
let isRunning = false;
const runner = createScriptRunner({
  engine: createScriptEngine(loadWasmFromPackage),
  files: [{ path: 'a.ts', source, actor: 'host-driver' }],
  entry: ['a.ts'],
  modules: [],
  ports: {
    control,
    onTick: () => {
      if (!isRunning) port.postMessage('running');
      isRunning = true;
    },
    pause: createBlockingPausePort({
      control,
      onPaused: ({ reason }, inspect) => {
        port.postMessage({ reason, isCounting: Number(inspect.evaluate('n').text) > 0 });
      },
      pump: () => {
        const received = receiveMessageOnPort(port) as { message: ResumeCommand } | undefined;
        if (received !== undefined) port.postMessage('resumed');
        return received?.message;
      },
    }),
  },
});
port.postMessage(runner.run());
