/**
 * Requests from another thread to a running script: one shared word that the script's thread polls in the engine's
 * interrupt handler, and a bell to wake it while it is paused.
 */

const FLAGS = 0;
const BELL = 1;
const WORDS = 2;

const PAUSE = 1;
const STOP = 2;

export class ControlWord {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;

  /** Without a buffer, a new one; share it with the other thread and wrap it there. */
  constructor(buffer = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  requestPause(): void {
    Atomics.or(this.#words, FLAGS, PAUSE);
    this.ring();
  }

  requestStop(): void {
    Atomics.or(this.#words, FLAGS, STOP);
    this.ring();
  }

  /** Forgets old requests, before a run. */
  clear(): void {
    Atomics.store(this.#words, FLAGS, 0);
  }

  get isStopRequested(): boolean {
    return (Atomics.load(this.#words, FLAGS) & STOP) !== 0;
  }

  /** True once per request. */
  takePauseRequest(): boolean {
    return (Atomics.and(this.#words, FLAGS, ~PAUSE) & PAUSE) !== 0;
  }

  /** Wakes a thread in `sleep`: messages wait for it. */
  ring(): void {
    Atomics.add(this.#words, BELL, 1);
    Atomics.notify(this.#words, BELL);
  }

  /** Number of rings so far; read it before looking for messages, then `sleep` with it. */
  get rings(): number {
    return Atomics.load(this.#words, BELL);
  }

  /** Blocks this thread until the bell has rung more often than `seen`, or for so many milliseconds. */
  sleep(seen: number, milliseconds: number): void {
    Atomics.wait(this.#words, BELL, seen, milliseconds);
  }
}
