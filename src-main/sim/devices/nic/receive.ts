/**
 * The receive half of queue pairs: puts a frame into the buffers that software posted and hands their descriptors back.
 * Linux ice, ice_clean_rx_irq() is the other side of it.
 *
 * A frame longer than one buffer takes several descriptors; without enough of them it is dropped whole. A fault of a buffer
 * is told in its descriptor and stops the ring.
 */
import {
  NIC_PACKET_DELIVERED,
  NIC_RING_STOPPED,
  NIC_WRITE_LOST,
} from '../../../spec/events/nic.ts';
import { bigOf } from '../../../bits/u64.ts';
import { CAST, RX_DESCRIPTOR_BYTES } from '../../../spec/nic/descriptors.ts';
import { STOP, VERDICT, type StopReason, type Verdict } from '../../../spec/nic/verdicts.ts';
import type { Trace } from '../../core/trace.ts';
import type { Moderation } from './moderation.ts';
import type { QueuePair } from './queue-pair.ts';
import { destinationOf, isBroadcast, isGroup } from './frame.ts';

/** Status bits of a descriptor written back, in its third word. */
const STATUS = { done: 1, endOfFrame: 2, error: 1 << 10 } as const;

/** One descriptor always stays free. */
const MIN_RING = 2;

export class Receive {
  readonly #trace: Trace;
  readonly #moderation: Moderation;
  readonly #descriptor = new Uint8Array(RX_DESCRIPTOR_BYTES);
  readonly #view = new DataView(this.#descriptor.buffer);
  /** First buffer of the frame in hand. */
  #bufferHigh = 0;
  #bufferLow = 0;

  constructor(trace: Trace, moderation: Moderation) {
    this.#trace = trace;
    this.#moderation = moderation;
  }

  deliver(pair: QueuePair, from: number, frame: Uint8Array, bytes: number): Verdict {
    if (!pair.isReceiveRunning || pair.rxLength < MIN_RING) {
      pair.count('rxDropped');
      return VERDICT.queueOff;
    }
    const count = pair.rxLength;
    const room = pair.rxBufferBytes;
    const needed = room === 0 ? Number.POSITIVE_INFINITY : Math.ceil(bytes / room);
    if ((pair.rxTail - pair.rxHead + count) % count < needed) {
      pair.count('rxNoDescriptor');
      return VERDICT.noDescriptor;
    }
    const { dma } = pair.owner.endpoint;
    dma.begin();
    for (let done = 0; done < bytes;) {
      const piece = Math.min(room, bytes - done);
      const stop = this.#fill(pair, frame, done, piece, done + piece === bytes);
      if (stop !== STOP.none) {
        this.#stop(pair, stop);
        return VERDICT.bufferFault;
      }
      done += piece;
    }
    pair.count('rxPackets');
    pair.count('rxBytes', bytes);
    this.#report(pair, from, bytes);
    this.#moderation.cause(pair);
    return VERDICT.delivered;
  }

  /** One descriptor: its buffer, then the descriptor itself. */
  #fill(
    pair: QueuePair,
    frame: Uint8Array,
    offset: number,
    bytes: number,
    isLast: boolean,
  ): StopReason {
    const { dma } = pair.owner.endpoint;
    const { pasid, rxBaseHigh, rxBaseLow } = pair;
    const at = pair.rxHead * RX_DESCRIPTOR_BYTES;
    if (!dma.read(pasid, rxBaseHigh, rxBaseLow, at, this.#descriptor, 0, RX_DESCRIPTOR_BYTES)) {
      return STOP.descriptorRead;
    }
    const low = this.#view.getUint32(0, true);
    const high = this.#view.getUint32(4, true);
    if (offset === 0) {
      this.#bufferHigh = high;
      this.#bufferLow = low;
    }
    const isWritten = dma.write(pasid, high, low, 0, frame, offset, bytes);
    const { faultHigh, faultLow } = dma;
    this.#descriptor.fill(0);
    const destination = destinationOf(frame);
    const cast = isBroadcast(destination)
      ? CAST.broadcast
      : isGroup(destination)
        ? CAST.multicast
        : CAST.unicast;
    this.#view.setUint32(0, cast << 8, true);
    this.#view.setUint32(4, isWritten ? bytes : 0, true);
    const status = STATUS.done | (isLast ? STATUS.endOfFrame : 0) | (isWritten ? 0 : STATUS.error);
    this.#view.setUint32(8, status, true);
    if (!dma.write(pasid, rxBaseHigh, rxBaseLow, at, this.#descriptor, 0, RX_DESCRIPTOR_BYTES)) {
      return STOP.writeBack;
    }
    pair.rxHead = (pair.rxHead + 1) % pair.rxLength;
    if (!isWritten) {
      dma.faultHigh = faultHigh;
      dma.faultLow = faultLow;
      return STOP.bufferWrite;
    }
    return STOP.none;
  }

  #report(pair: QueuePair, from: number, bytes: number): void {
    const { endpoint } = pair.owner;
    const { dma } = endpoint;
    if (!this.#trace.isOn) {
      return;
    }
    if (dma.lostWrites > 0) {
      this.#trace.record(
        NIC_WRITE_LOST,
        endpoint.source,
        pair.index,
        pair.pasid,
        bigOf(this.#bufferHigh, this.#bufferLow),
        bytes,
      );
    }
    this.#trace.begin(NIC_PACKET_DELIVERED, endpoint.source);
    this.#trace.num(from);
    this.#trace.num(pair.index);
    this.#trace.num(pair.pasid);
    this.#trace.num(bytes);
    this.#trace.u64(this.#bufferHigh, this.#bufferLow);
    this.#trace.end();
  }

  #stop(pair: QueuePair, reason: StopReason): void {
    const { dma, source } = pair.owner.endpoint;
    pair.rxStop = reason;
    pair.count('faults');
    pair.count('rxDropped');
    this.#trace.record(
      NIC_RING_STOPPED,
      source,
      pair.index,
      'receive',
      pair.pasid,
      reason,
      bigOf(dma.faultHigh, dma.faultLow),
    );
    this.#moderation.cause(pair);
  }
}
