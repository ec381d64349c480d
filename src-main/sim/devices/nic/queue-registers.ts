/**
 * Software's two faces of a queue pair: its context (slow path, the host's, or the virtual function's for its own pairs) and
 * its doorbell page (fast path, mapped into guests). Scalable IOV section 3.1.
 */
import { NIC_DOORBELL_RUNG, NIC_RING_STOPPED } from '../../../spec/events/nic.ts';
import { DYN_CTL, ITR, RX_HEAD, RX_TAIL, TX_HEAD, TX_TAIL } from '../../../spec/nic/registers.ts';
import { STOP } from '../../../spec/nic/verdicts.ts';
import type { Trace } from '../../core/trace.ts';
import type { Moderation } from './moderation.ts';
import type { QueuePair } from './queue-pair.ts';

const TAIL_MASK = 0x1fff;
const ITR_MASK = 0xfff;
/** Registers of a context that only the host may write. */
const HOST_ONLY = new Set(['Q_PASID', 'MAC_ADDRESS']);

export class QueueRegisters {
  readonly #trace: Trace;
  readonly #moderation: Moderation;
  readonly #wake: (pair: QueuePair) => void;

  constructor(trace: Trace, moderation: Moderation, wake: (pair: QueuePair) => void) {
    this.#trace = trace;
    this.#moderation = moderation;
    this.#wake = wake;
  }

  readContext(pair: QueuePair, offset: number, bytes: 4 | 8): bigint {
    return pair.registers.read(offset, bytes);
  }

  writeContext(
    pair: QueuePair,
    offset: number,
    bytes: 4 | 8,
    value: bigint,
    isHost: boolean,
  ): void {
    const name = pair.registers.registerAt(offset)?.name ?? '';
    if (isHost || !HOST_ONLY.has(name)) {
      pair.registers.write(offset, bytes, value);
    }
  }

  readDoorbell(pair: QueuePair, offset: number): number {
    switch (offset) {
      case TX_TAIL.offset:
        return pair.txTail;
      case RX_TAIL.offset:
        return pair.rxTail;
      case TX_HEAD.offset:
        return pair.txHead;
      case RX_HEAD.offset:
        return pair.rxHead;
      case DYN_CTL.offset:
        return pair.isInterruptEnabled ? 1 : 0;
      case ITR.offset:
        return pair.itr;
      default:
        return 0;
    }
  }

  writeDoorbell(pair: QueuePair, offset: number, value: number): void {
    switch (offset) {
      case TX_TAIL.offset:
        this.#setTransmitTail(pair, value & TAIL_MASK);
        break;
      case RX_TAIL.offset:
        this.#setReceiveTail(pair, value & TAIL_MASK);
        break;
      case DYN_CTL.offset:
        this.#moderation.writeControl(pair, value);
        break;
      case ITR.offset:
        pair.itr = value & ITR_MASK;
        break;
      default:
    }
  }

  #setTransmitTail(pair: QueuePair, tail: number): void {
    this.#traceBell(pair, 'transmit', tail, pair.txHead);
    if (!pair.isTransmitRunning) {
      return;
    }
    if (tail >= pair.txLength) {
      pair.txStop = STOP.badTail;
      this.#refuse(pair, 'transmit');
      return;
    }
    pair.txTail = tail;
    this.#wake(pair);
  }

  #setReceiveTail(pair: QueuePair, tail: number): void {
    this.#traceBell(pair, 'receive', tail, pair.rxHead);
    if (!pair.isReceiveRunning) {
      return;
    }
    if (tail >= pair.rxLength) {
      pair.rxStop = STOP.badTail;
      this.#refuse(pair, 'receive');
      return;
    }
    pair.rxTail = tail;
  }

  #refuse(pair: QueuePair, ring: string): void {
    const { source } = pair.owner.endpoint;
    this.#trace.record(NIC_RING_STOPPED, source, pair.index, ring, pair.pasid, STOP.badTail, 0);
    this.#moderation.cause(pair);
  }

  #traceBell(pair: QueuePair, ring: string, tail: number, head: number): void {
    if (this.#trace.isOn) {
      this.#trace.begin(NIC_DOORBELL_RUNG, pair.owner.endpoint.source);
      this.#trace.num(pair.index);
      this.#trace.text(ring);
      this.#trace.num(tail);
      this.#trace.num(head);
      this.#trace.end();
    }
  }
}
