/**
 * A few shared words between a host thread and its machine worker. They work while the worker is
 * blocked, when messages alone do not:
 *
 *   word 0  bell       raised with every message to the worker; a paused worker sleeps on it
 *   word 1  heartbeat  raised by the worker while it is alive
 *   word 2  state      idle, running learner code, or paused at a breakpoint
 */
const BELL = 0;
const HEARTBEAT = 1;
const STATE = 2;
const WORDS = 4;

const STATES = ['idle', 'running', 'paused'] as const;
export type WorkerState = (typeof STATES)[number];

export interface ControlBlock {
  readonly memory: SharedArrayBuffer;
  ring(): void;
  bell(): number;
  /** Sleeps until the bell differs from `heard`, at most `timeoutMs`. */
  sleep(heard: number, timeoutMs: number): void;
  beat(): void;
  heartbeat(): number;
  state(): WorkerState;
  setState(state: WorkerState): void;
}

export function createControlBlock(memory?: SharedArrayBuffer): ControlBlock {
  const shared = memory ?? new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
  const words = new Int32Array(shared);
  return {
    memory: shared,
    ring: () => {
      Atomics.add(words, BELL, 1);
      Atomics.notify(words, BELL);
    },
    bell: () => Atomics.load(words, BELL),
    sleep: (heard, timeoutMs) => void Atomics.wait(words, BELL, heard, timeoutMs),
    beat: () => void Atomics.add(words, HEARTBEAT, 1),
    heartbeat: () => Atomics.load(words, HEARTBEAT),
    state: () => STATES[Atomics.load(words, STATE)] ?? 'idle',
    setState: (state) => void Atomics.store(words, STATE, STATES.indexOf(state)),
  };
}
