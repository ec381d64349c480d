/**
 * Eventfds: counters that one side signals and the other waits on. A process reads the counter; KVM's irqfd and a VMM's
 * main loop listen instead, and take the count at once.
 */
import { EVENTFD_SIGNALLED } from '../../spec/events/linux.ts';
import type { PlainData } from '../../sim/index.ts';
import { EAGAIN, EINVAL } from '../errno.ts';
import type { Core } from './core.ts';
import { OpenFile } from './files.ts';

const COUNTER_BYTES = 8;

export class EventfdFile extends OpenFile {
  readonly id: number;
  /** Name of the address space whose process made it. */
  readonly owner: string;
  #count = 0;
  #total = 0;
  readonly #listeners = new Set<(count: number) => void>();

  constructor(core: Core, owner: string) {
    const id = core.nextId('eventfd', 1);
    super(core, `eventfd${id}`);
    this.id = id;
    this.owner = owner;
    this.#publish();
  }

  /** Signals that nobody took yet. */
  get count(): number {
    return this.#count;
  }

  /** Signals since it was made. */
  get total(): number {
    return this.#total;
  }

  /** eventfd_signal */
  signal(why: string): void {
    this.#count += 1;
    this.#total += 1;
    const seq = this.core.emit(EVENTFD_SIGNALLED, this.name, this.#count, why);
    this.#publish();
    this.core.hw.within(seq, () => {
      for (const listen of [...this.#listeners]) {
        listen(this.take());
      }
    });
  }

  /** The counter, which starts again from zero. */
  take(): number {
    const count = this.#count;
    this.#count = 0;
    this.#publish();
    return count;
  }

  /** Gives the function that stops listening. */
  listen(listener: (count: number) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  override read(into: Uint8Array): number {
    if (into.length < COUNTER_BYTES) {
      return -EINVAL;
    }
    if (this.#count === 0) {
      return -EAGAIN;
    }
    new DataView(into.buffer, into.byteOffset).setBigUint64(0, BigInt(this.take()), true);
    return COUNTER_BYTES;
  }

  override write(from: Uint8Array): number {
    if (from.length < COUNTER_BYTES) {
      return -EINVAL;
    }
    const added = new DataView(from.buffer, from.byteOffset).getBigUint64(0, true);
    for (let i = 0n; i < added; i++) {
      this.signal('written by user space');
    }
    return COUNTER_BYTES;
  }

  override state(): PlainData {
    return { count: this.#count, total: this.#total };
  }

  override release(): void {
    this.#listeners.clear();
    this.core.publish(`eventfd/${this.id}`, undefined);
  }

  #publish(): void {
    this.core.publish(`eventfd/${this.id}`, { count: this.#count, total: this.#total });
    this.touch();
  }
}
