/**
 * Interrupt moderation of queue pairs: any number of causes within the interval become one message. Linux ice,
 * GLINT_DYN_CTL and GLINT_ITR.
 *
 * A pair of the physical function names an entry of MSI-X or IMS; a pair of a virtual function an entry of that function's
 * MSI-X table.
 */
import { NIC_INTERRUPT_RAISED } from '../../../spec/events/nic.ts';
import { ITR_UNIT_NS } from '../../../spec/nic/registers.ts';
import type { EventQueue } from '../../core/event-queue.ts';
import type { Trace } from '../../core/trace.ts';
import type { QueuePair } from './queue-pair.ts';

/** Bits of a write to DYN_CTL. */
const DYN_CTL = { enable: 1, clearPending: 2, trigger: 4, keepEnable: 0x8000_0000 } as const;

export class Moderation {
  readonly #queue: EventQueue;
  readonly #trace: Trace;
  readonly #schedule: (delayNs: number, pair: QueuePair) => void;

  constructor(
    queue: EventQueue,
    trace: Trace,
    schedule: (delayNs: number, pair: QueuePair) => void,
  ) {
    this.#queue = queue;
    this.#trace = trace;
    this.#schedule = schedule;
  }

  /** The pair has something to tell. */
  cause(pair: QueuePair): void {
    if (pair.vector >= 0) {
      pair.isPending = true;
      this.#flush(pair);
    }
  }

  writeControl(pair: QueuePair, value: number): void {
    if ((value & DYN_CTL.keepEnable) === 0) {
      pair.isInterruptEnabled = (value & DYN_CTL.enable) !== 0;
    }
    if ((value & DYN_CTL.clearPending) !== 0) {
      pair.isPending = false;
    }
    if ((value & DYN_CTL.trigger) !== 0) {
      this.cause(pair);
    }
    this.#flush(pair);
  }

  /** The interval of a pair is over. */
  expire(pair: QueuePair): void {
    pair.isTimerSet = false;
    this.#flush(pair);
  }

  #flush(pair: QueuePair): void {
    if (!pair.isPending || !pair.isInterruptEnabled || pair.isTimerSet) {
      return;
    }
    const { nowNs } = this.#queue;
    const earliest =
      pair.lastInterruptNs < 0 ? nowNs : pair.lastInterruptNs + pair.itr * ITR_UNIT_NS;
    if (earliest > nowNs) {
      pair.isTimerSet = true;
      this.#schedule(earliest - nowNs, pair);
      return;
    }
    this.#raise(pair);
  }

  #raise(pair: QueuePair): void {
    const { endpoint, isVirtual } = pair.owner;
    const isIms = pair.isVectorInIms && !isVirtual;
    const table = isIms ? endpoint.ims : endpoint.msix;
    pair.isPending = false;
    pair.lastInterruptNs = this.#queue.nowNs;
    if (pair.vector >= table.entries) {
      return;
    }
    const outcome = table.raise(pair.vector);
    pair.count('interrupts');
    this.#trace.record(
      NIC_INTERRUPT_RAISED,
      endpoint.source,
      pair.index,
      isIms ? 1 : 0,
      pair.vector,
      outcome,
    );
  }
}
