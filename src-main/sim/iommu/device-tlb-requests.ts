/**
 * Device-TLB invalidations in flight: tags, completions, time-outs. VT-d 5.10 sections 4.3 and 6.5.2.11; PCIe ATS has 32
 * tags a requester.
 */
import { bigOf } from '../../bits/u64.ts';
import {
  DEVICE_TLB_COMPLETED,
  DEVICE_TLB_REQUESTED,
  DEVICE_TLB_TIMED_OUT,
  DEVICE_TLB_UNEXPECTED,
} from '../../spec/events/iommu.ts';
import type { EventQueue, EventTarget } from '../core/event-queue.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import type { DeviceTlbPort } from './ports.ts';

const TAGS = 32;
/** PCIe ATS allows a function one minute; units give up far earlier. Our choice, in simulated nanoseconds. */
export const INVALIDATION_TIMEOUT_NS = 1_000_000;

const OP_TIMEOUT = 0;

export interface DeviceTlbRequestsState {
  readonly owners: Int32Array;
  readonly counts: Int32Array;
  readonly generations: Int32Array;
}

export interface DeviceTlbOutcome {
  /** A tag became free: a descriptor that waits for one, or for all of them, may go on. */
  onFreed(): void;
  onTimeout(rid: number): void;
  onBadCompletion(rid: number): void;
}

export class DeviceTlbRequests implements EventTarget, Snapshotable<DeviceTlbRequestsState> {
  /** Requester ID for each tag, -1 when the tag is free. */
  readonly #owners = new Int32Array(TAGS).fill(-1);
  readonly #counts = new Int32Array(TAGS);
  /** Tells a time-out of an earlier use of the tag from the present one. */
  readonly #generations = new Int32Array(TAGS);
  readonly #port: DeviceTlbPort;
  readonly #queue: EventQueue;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #outcome: DeviceTlbOutcome;
  readonly #target: number;

  constructor(options: {
    readonly port: DeviceTlbPort;
    readonly queue: EventQueue;
    readonly trace: Trace;
    readonly source: number;
    readonly outcome: DeviceTlbOutcome;
  }) {
    this.#port = options.port;
    this.#queue = options.queue;
    this.#trace = options.trace;
    this.#source = options.source;
    this.#outcome = options.outcome;
    this.#target = options.queue.register(this);
  }

  get outstanding(): number {
    return this.#owners.reduce((n, owner) => n + (owner < 0 ? 0 : 1), 0);
  }

  get isFull(): boolean {
    return this.#owners.every((owner) => owner >= 0);
  }

  /** Sends one invalidation; a tag must be free. `sizeShift` 64 means everything. */
  send(
    rid: number,
    pasid: number,
    isGlobal: boolean,
    high: number,
    low: number,
    sizeShift: number,
  ): void {
    const itag = this.#owners.indexOf(-1);
    this.#owners[itag] = rid;
    this.#counts[itag] = 0;
    const generation = ((this.#generations[itag] as number) + 1) | 0;
    this.#generations[itag] = generation;
    const seq = this.#trace.record(
      DEVICE_TLB_REQUESTED,
      this.#source,
      rid,
      itag,
      pasid,
      bigOf(high, low),
      sizeShift,
    );
    const saved = this.#trace.enter(seq);
    this.#queue.schedule(INVALIDATION_TIMEOUT_NS, this.#target, OP_TIMEOUT, itag, generation);
    this.#port.invalidate(rid, itag, pasid, isGlobal, high, low, sizeShift);
    this.#trace.cause = saved;
  }

  /** An Invalidate Completion: tags that are done, and how many such messages make one (0 means 8). */
  complete(rid: number, itagVector: number, completionCount: number): void {
    const needed = completionCount === 0 ? 8 : completionCount;
    let bad = 0;
    let isFreed = false;
    for (let itag = 0; itag < TAGS; itag++) {
      if (((itagVector >>> itag) & 1) === 0) {
        continue;
      }
      if (this.#owners[itag] !== rid) {
        bad |= 1 << itag;
        continue;
      }
      const count = (this.#counts[itag] as number) + 1;
      this.#counts[itag] = count;
      if (count === needed) {
        this.#owners[itag] = -1;
        isFreed = true;
        this.#queue.cancel(this.#target, OP_TIMEOUT, itag);
        this.#trace.record(DEVICE_TLB_COMPLETED, this.#source, rid, itag);
      }
    }
    if (bad !== 0) {
      this.#trace.record(DEVICE_TLB_UNEXPECTED, this.#source, rid, bad >>> 0);
      this.#outcome.onBadCompletion(rid);
    }
    if (isFreed) {
      this.#outcome.onFreed();
    }
  }

  onDue(_operation: number, itag: number, generation: number): void {
    const rid = this.#owners[itag] as number;
    if (rid < 0 || this.#generations[itag] !== generation) {
      return;
    }
    this.#owners[itag] = -1;
    this.#trace.record(DEVICE_TLB_TIMED_OUT, this.#source, rid, itag);
    this.#outcome.onTimeout(rid);
  }

  snapshot(): DeviceTlbRequestsState {
    return {
      owners: this.#owners.slice(),
      counts: this.#counts.slice(),
      generations: this.#generations.slice(),
    };
  }

  restore(state: DeviceTlbRequestsState): void {
    this.#owners.set(state.owners);
    this.#counts.set(state.counts);
    this.#generations.set(state.generations);
  }
}
