/**
 * Interrupts of ring pairs: the flag of the response ring, its enable, and the coalescing timer. One message a flag: the
 * next one needs the flag cleared. Linux qat_common/adf_transport.c, adf_response_handler(). Exceptions of rings come
 * through the last entry.
 */
import { QAT_INTERRUPT_RAISED } from '../../../spec/events/qat.ts';
import { COALESCE_UNIT_NS } from '../../../spec/qat/registers.ts';
import type { Trace } from '../../core/trace.ts';
import type { Endpoint } from '../shared/endpoint.ts';
import type { RingName, RingPair } from './ring-pair.ts';

const RINGS: readonly RingName[] = ['REQUEST', 'RESPONSE'];

export class QatInterrupts {
  readonly #endpoint: Endpoint;
  readonly #trace: Trace;
  readonly #startTimer: (delayNs: number, pair: RingPair) => void;

  constructor(
    endpoint: Endpoint,
    trace: Trace,
    startTimer: (delayNs: number, pair: RingPair) => void,
  ) {
    this.#endpoint = endpoint;
    this.#trace = trace;
    this.#startTimer = startTimer;
  }

  /** Responses came, or software changed something that may let an interrupt through. */
  update(pair: RingPair): void {
    const { fast } = pair;
    const isWaiting = pair.responseHead !== pair.responseTail;
    const isEnabled = fast.get('INTERRUPT_FLAG_ENABLE', 'RESPONSE') === 1;
    const isFlagged = fast.get('INTERRUPT_FLAG', 'RESPONSE') === 1;
    if (!isWaiting || !isEnabled || isFlagged || pair.isTimerSet) {
      return;
    }
    const isCoalesced =
      fast.get('COALESCE_ENABLE', 'RESPONSE') === 1 && fast.get('COALESCE_CONTROL', 'ENABLE') === 1;
    if (!isCoalesced) {
      this.#raise(pair);
      return;
    }
    pair.isTimerSet = true;
    this.#startTimer(fast.get('COALESCE_CONTROL', 'COUNT') * COALESCE_UNIT_NS, pair);
  }

  /** The register that a handler writes first and last: both enables, and the flags go down. */
  writeFlagAndCoalesceEnable({ fast }: RingPair, rings: number): void {
    for (const [bit, ring] of RINGS.entries()) {
      const isOn = (rings >>> bit) & 1;
      fast.set('INTERRUPT_FLAG_ENABLE', ring, isOn);
      fast.set('COALESCE_ENABLE', ring, isOn);
      fast.set('INTERRUPT_FLAG', ring, 0);
    }
  }

  /** The pair halted: the last MSI-X entry tells, where the ring's exception interrupt is enabled. */
  reportException(pair: RingPair): void {
    const { fast } = pair;
    const isEnabled = RINGS.some(
      (ring) =>
        fast.get('EXCEPTION_STATUS', ring) === 1 &&
        fast.get('EXCEPTION_INTERRUPT_ENABLE', ring) === 1,
    );
    if (isEnabled) {
      this.#raiseEntry(pair, false, this.#endpoint.msix.entries - 1);
    }
  }

  expire(pair: RingPair): void {
    pair.isTimerSet = false;
    const isEnabled = pair.fast.get('INTERRUPT_FLAG_ENABLE', 'RESPONSE') === 1;
    if (isEnabled && pair.responseHead !== pair.responseTail) {
      this.#raise(pair);
    }
  }

  #raise(pair: RingPair): void {
    pair.fast.set('INTERRUPT_FLAG', 'RESPONSE', 1);
    const { entries } = pair.isVectorInIms ? this.#endpoint.ims : this.#endpoint.msix;
    if (pair.vector < entries) {
      pair.counters.interrupts++;
      this.#raiseEntry(pair, pair.isVectorInIms, pair.vector);
    }
  }

  #raiseEntry(pair: RingPair, isInIms: boolean, index: number): void {
    const { ims, msix, source } = this.#endpoint;
    const outcome = (isInIms ? ims : msix).raise(index);
    const table = isInIms ? 1 : 0;
    this.#trace.record(QAT_INTERRUPT_RAISED, source, pair.index, table, index, outcome);
  }
}
