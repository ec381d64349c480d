/**
 * Interrupt posting: the read-modify-write of a posted-interrupt descriptor in memory and the notification that may follow.
 * VT-d 5.10 sections 5.2.3 and 9.11.
 *
 * The update of the 64 bytes is one step of the simulation, so it is atomic and every earlier write of the device is
 * visible. Level-triggered sources become edge. Not modelled: snooping (there are no CPU caches).
 */
import { fieldOf, isFieldSet } from '../../bits/word-field.ts';
import { INTERRUPT_POSTED, NOTIFICATION_SENT } from '../../spec/events/interrupt.ts';
import { FAULT_REASONS } from '../../spec/vtd/faults.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import {
  PID,
  PID_RESERVED,
  PID_WORDS,
  messageAddressHigh,
  messageAddressLow,
  messageData,
  notificationDestination,
} from './interrupt-codec.ts';
import type { InterruptSink } from './ports.ts';

/** Fault codes of posting; 0 is success. */
export const POSTED = 0;
const UPDATE_ERROR = FAULT_REASONS['IR.27'].code;
const RESERVED_BITS = FAULT_REASONS['IR.28'].code;

/** One interrupt to post. The caller owns and reuses it. */
export interface PostRequest {
  rid: number;
  index: number;
  vector: number;
  isUrgent: boolean;
  /** Descriptor address, 64-byte aligned. */
  high: number;
  low: number;
  /** IRTA_REG latched with EIME=1: NDST has 32 bits. */
  isExtended: boolean;
}

export function createPostRequest(): PostRequest {
  return { rid: 0, index: 0, vector: 0, isUrgent: false, high: 0, low: 0, isExtended: false };
}

export class InterruptPosting implements Snapshotable<number> {
  readonly #memory: PhysicalMemory;
  readonly #sink: InterruptSink;
  readonly #trace: Trace;
  readonly #source: number;
  #notifications = 0;

  constructor(memory: PhysicalMemory, sink: InterruptSink, trace: Trace, source: number) {
    this.#memory = memory;
    this.#sink = sink;
    this.#trace = trace;
    this.#source = source;
  }

  /** Notifications sent. */
  get notifications(): number {
    return this.#notifications;
  }

  snapshot(): number {
    return this.#notifications;
  }

  restore(state: number): void {
    this.#notifications = state;
  }

  /** `POSTED`, or the fault code; a fault changes nothing in memory. */
  post(request: PostRequest): number {
    const { high, low, vector } = request;
    const readable = this.#memory.locate(high, low);
    if (readable < 0) {
      return UPDATE_ERROR;
    }
    if (this.#hasReservedBits(readable, request.isExtended)) {
      return RESERVED_BITS;
    }
    const at = this.#memory.locateForWrite(high, low);
    if (at < 0) {
      return UPDATE_ERROR;
    }
    const { words } = this.#memory.store;
    const control = words[at + PID.ON.word] as number;
    const pirAt = at + (vector >>> 5);
    words[pirAt] = (words[pirAt] as number) | (1 << (vector & 31));
    const wasOutstanding = isFieldSet(control, PID.ON);
    const isSuppressed = isFieldSet(control, PID.SN);
    const notifies = !wasOutstanding && (request.isUrgent || !isSuppressed);
    if (notifies) {
      words[at + PID.ON.word] = control | PID.ON.mask;
    }
    const saved = this.#trace.cause;
    if (this.#trace.isOn) {
      this.#trace.enter(this.#tracePosted(request, wasOutstanding, isSuppressed, notifies));
    }
    if (notifies) {
      const destination = words[at + PID.NDST.word] as number;
      this.#notify(
        fieldOf(control, PID.NV),
        notificationDestination(destination, request.isExtended),
      );
    }
    this.#trace.cause = saved;
    return POSTED;
  }

  #hasReservedBits(at: number, isExtended: boolean): boolean {
    const { words } = this.#memory.store;
    const reserved = isExtended ? PID_RESERVED.extended : PID_RESERVED.xapic;
    for (let i = 0; i < PID_WORDS; i++) {
      if (((words[at + i] as number) & (reserved[i] as number)) !== 0) {
        return true;
      }
    }
    return false;
  }

  #notify(vector: number, destination: number): void {
    this.#notifications++;
    if (this.#trace.isOn) {
      this.#trace.begin(NOTIFICATION_SENT, this.#source);
      this.#trace.num(vector);
      this.#trace.num(destination);
      this.#trace.enter(this.#trace.end());
    }
    this.#sink.deliver(
      messageAddressHigh(destination),
      messageAddressLow(destination, 0, 0),
      messageData(vector, 0, 0),
    );
  }

  #tracePosted(
    request: PostRequest,
    wasOutstanding: boolean,
    isSuppressed: boolean,
    notifies: boolean,
  ): number {
    const trace = this.#trace;
    trace.begin(INTERRUPT_POSTED, this.#source);
    trace.num(request.rid);
    trace.num(request.index);
    trace.num(request.vector);
    trace.u64(request.high, request.low);
    trace.num(request.isUrgent ? 1 : 0);
    trace.num(wasOutstanding ? 1 : 0);
    trace.num(isSuppressed ? 1 : 0);
    trace.num(notifies ? 1 : 0);
    return trace.end();
  }
}
