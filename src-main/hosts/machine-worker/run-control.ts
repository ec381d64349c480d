import type { MessagePort } from 'node:worker_threads';
import { receiveMessageOnPort } from 'node:worker_threads';
import type { RunControl } from '../../services/ports.ts';
import type { ControlBlock } from '../machine/control-block.ts';

/** Wakes a paused worker now and then, should a bell ever be missed. */
const LONGEST_SLEEP_MS = 1000;

export interface RunControlOptions {
  readonly port: MessagePort;
  readonly control: ControlBlock;
  /** Answers one message at once; the event loop does not turn meanwhile. */
  readonly serve: (message: unknown) => void;
}

export function createRunControl({ port, control, serve }: RunControlOptions): RunControl {
  const drain = (): void => {
    for (;;) {
      const received = receiveMessageOnPort(port) as { readonly message: unknown } | undefined;
      if (received === undefined) return;
      serve(received.message);
    }
  };

  return {
    setRunning: (isRunning) => {
      control.beat();
      control.setState(isRunning ? 'running' : 'idle');
    },
    poll: () => {
      control.beat();
      drain();
    },
    serveUntil: (isDone) => {
      const before = control.state();
      control.setState('paused');
      try {
        for (;;) {
          // Heard before draining: a message that comes later raises the bell above it.
          const heard = control.bell();
          drain();
          if (isDone()) return;
          control.sleep(heard, LONGEST_SLEEP_MS);
        }
      } finally {
        control.beat();
        control.setState(before);
      }
    },
    yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
  };
}
