/**
 * The transmit half of queue pairs: collects the pieces of one packet, hands it to the switch, gives the descriptors back.
 * Linux ice, ice_xmit_frame_ring() is the other side of it.
 *
 * One call handles one packet. A packet whose last descriptor software has not released yet stays where it is.
 */
import { NIC_PACKET_SENT, NIC_RING_STOPPED, NIC_WRITE_LOST } from '../../../spec/events/nic.ts';
import { bigOf } from '../../../bits/u64.ts';
import { TX_DESCRIPTOR_BYTES, TX_TYPE } from '../../../spec/nic/descriptors.ts';
import { STOP, type StopReason } from '../../../spec/nic/verdicts.ts';
import type { Trace } from '../../core/trace.ts';
import type { Moderation } from './moderation.ts';
import type { QueuePair } from './queue-pair.ts';
import { frameNs } from './timing.ts';

const MAX_PIECES = 32;
const PACKET_BUFFER_BYTES = 16_384;
const NOTHING_TO_DO = -1;
/** Third and fourth word of a descriptor. */
const WORD2 = { typeMask: 0xf, endOfPacket: 1 << 4, reportStatus: 1 << 5 } as const;
const WORD3 = { sizeShift: 2, sizeMask: 0x3fff } as const;
const WRITE_BACK = { done: TX_TYPE.done, error: 1 << 4 } as const;

/** What the switch is given. The bytes are valid during the call only. */
export type SendFrame = (pair: QueuePair, frame: Uint8Array, bytes: number) => void;

export class Transmit {
  readonly #trace: Trace;
  readonly #moderation: Moderation;
  readonly #send: SendFrame;
  readonly #frame = new Uint8Array(PACKET_BUFFER_BYTES);
  readonly #descriptor = new Uint8Array(TX_DESCRIPTOR_BYTES);
  readonly #view = new DataView(this.#descriptor.buffer);
  /** Descriptors of the packet in hand that want a status. */
  readonly #reports = new Uint16Array(MAX_PIECES);
  #reportCount = 0;
  #bytes = 0;
  #pieces = 0;

  constructor(trace: Trace, moderation: Moderation, send: SendFrame) {
    this.#trace = trace;
    this.#moderation = moderation;
    this.#send = send;
  }

  /** Handles the next packet. Gives the time until the ring can be looked at again, or -1 when there is nothing. */
  next(pair: QueuePair): number {
    if (!pair.isTransmitRunning || pair.txHead === pair.txTail) {
      return NOTHING_TO_DO;
    }
    const { dma } = pair.owner.endpoint;
    dma.begin();
    const end = this.#gather(pair);
    if (end < 0) {
      return NOTHING_TO_DO;
    }
    const bytes = this.#bytes;
    pair.txHead = end;
    pair.count('txPackets');
    pair.count('txBytes', bytes);
    this.#traceSent(pair);
    const latencyNs = dma.latencyNs;
    this.#send(pair, this.#frame.subarray(0, bytes), bytes);
    this.#finish(pair);
    return Math.max(frameNs(bytes), latencyNs);
  }

  /** Reads the packet at the head. Gives the index after it, -1 when it is incomplete or the ring stopped. */
  #gather(pair: QueuePair): number {
    this.#bytes = this.#pieces = this.#reportCount = 0;
    for (let index = pair.txHead; index !== pair.txTail;) {
      const stop = this.#piece(pair, index);
      if (stop !== STOP.none) {
        this.#stop(pair, index, stop);
        return NOTHING_TO_DO;
      }
      const isLast = (this.#view.getUint32(8, true) & WORD2.endOfPacket) !== 0;
      index = (index + 1) % pair.txLength;
      if (isLast) {
        return index;
      }
    }
    return NOTHING_TO_DO;
  }

  #piece(pair: QueuePair, index: number): StopReason {
    const { dma } = pair.owner.endpoint;
    const { pasid } = pair;
    const at = index * TX_DESCRIPTOR_BYTES;
    if (
      !dma.read(
        pasid,
        pair.txBaseHigh,
        pair.txBaseLow,
        at,
        this.#descriptor,
        0,
        TX_DESCRIPTOR_BYTES,
      )
    ) {
      return STOP.descriptorRead;
    }
    const word2 = this.#view.getUint32(8, true);
    const bytes = (this.#view.getUint32(12, true) >>> WORD3.sizeShift) & WORD3.sizeMask;
    const isTooLong = this.#bytes + bytes > PACKET_BUFFER_BYTES || this.#pieces === MAX_PIECES;
    if ((word2 & WORD2.typeMask) !== TX_TYPE.data || bytes === 0 || isTooLong) {
      return STOP.badDescriptor;
    }
    const low = this.#view.getUint32(0, true);
    const high = this.#view.getUint32(4, true);
    if (!dma.read(pasid, high, low, 0, this.#frame, this.#bytes, bytes)) {
      return STOP.dataRead;
    }
    if ((word2 & WORD2.reportStatus) !== 0) {
      this.#reports[this.#reportCount++] = index;
    }
    this.#bytes += bytes;
    this.#pieces++;
    return STOP.none;
  }

  /** Write-backs, and the interrupt if software asked to be told. */
  #finish(pair: QueuePair): void {
    const { dma } = pair.owner.endpoint;
    let isWritten = true;
    dma.begin();
    for (let i = 0; i < this.#reportCount; i++) {
      isWritten &&= this.#writeBack(pair, this.#reports[i] as number, WRITE_BACK.done);
    }
    const hasHeadWriteBack = (pair.headWriteBackLow & 1) !== 0;
    if (hasHeadWriteBack) {
      this.#view.setUint32(0, pair.txHead, true);
      const low = (pair.headWriteBackLow & ~3) >>> 0;
      isWritten &&= dma.write(pair.pasid, pair.headWriteBackHigh, low, 0, this.#descriptor, 0, 4);
    }
    if (!isWritten) {
      this.#reportStop(pair, STOP.writeBack);
    } else if (dma.lostWrites > 0) {
      this.#reportLost(pair);
    }
    if (this.#reportCount > 0 || hasHeadWriteBack) {
      this.#moderation.cause(pair);
    }
  }

  #writeBack(pair: QueuePair, index: number, status: number): boolean {
    const { dma } = pair.owner.endpoint;
    this.#view.setUint32(8, status, true);
    this.#view.setUint32(12, 0, true);
    const at = index * TX_DESCRIPTOR_BYTES + 8;
    return dma.write(pair.pasid, pair.txBaseHigh, pair.txBaseLow, at, this.#descriptor, 8, 8);
  }

  /** Marks the descriptor, where that is possible, and stops the ring. */
  #stop(pair: QueuePair, index: number, reason: StopReason): void {
    const { dma } = pair.owner.endpoint;
    const { faultHigh, faultLow } = dma;
    if (reason !== STOP.descriptorRead) {
      this.#writeBack(pair, index, WRITE_BACK.done | WRITE_BACK.error);
    }
    dma.faultHigh = faultHigh;
    dma.faultLow = faultLow;
    this.#reportStop(pair, reason);
    this.#moderation.cause(pair);
  }

  #reportStop(pair: QueuePair, reason: StopReason): void {
    const { dma, source } = pair.owner.endpoint;
    pair.txStop = reason;
    pair.count('faults');
    const at = bigOf(dma.faultHigh, dma.faultLow);
    this.#trace.record(NIC_RING_STOPPED, source, pair.index, 'transmit', pair.pasid, reason, at);
  }

  #reportLost(pair: QueuePair): void {
    const { dma, source } = pair.owner.endpoint;
    const at = bigOf(dma.faultHigh, dma.faultLow);
    this.#trace.record(NIC_WRITE_LOST, source, pair.index, pair.pasid, at, TX_DESCRIPTOR_BYTES);
  }

  #traceSent(pair: QueuePair): void {
    if (this.#trace.isOn) {
      this.#trace.begin(NIC_PACKET_SENT, pair.owner.endpoint.source);
      this.#trace.num(pair.index);
      this.#trace.num(pair.pasid);
      this.#trace.num(this.#bytes);
      this.#trace.num(this.#pieces);
      this.#trace.end();
    }
  }
}
