/**
 * One ring pair: the two register pages of its bank, and what the rings hold. The assignable unit of the accelerator.
 * Register semantics as Linux qat_common/adf_transport.c expects them.
 */
import { BANK_REGISTER_BYTES, QAT_CONFIG, QAT_FAST } from '../../../spec/qat/registers.ts';
import { REQUEST_BYTES, RESPONSE_BYTES } from '../../../spec/qat/messages.ts';
import { RegisterFile, type RegisterWrite } from '../../core/register-file.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import { NO_CAUSE } from '../../core/trace.ts';

export interface RingPairCounters {
  requests: number;
  responses: number;
  errors: number;
  bytesIn: number;
  bytesOut: number;
  interrupts: number;
}

export interface RingPairState {
  readonly fast: Uint32Array;
  readonly config: Uint32Array;
  readonly isTimerSet: boolean;
  readonly doorbell: number;
  readonly counters: RingPairCounters;
}

/** Offsets in the first page, and in the second. */
const FAST = {
  requestHead: 0xc0,
  responseHead: 0xc4,
  requestTail: 0x100,
  responseTail: 0x104,
} as const;
const STATUS = { empty: 0x14c, nearlyEmpty: 0x150, nearlyFull: 0x154, full: 0x158 } as const;
const CONFIG = { request: 0x000, response: 0x004, baseLow: 0x040, baseHigh: 0x080 } as const;
/** Fields of registers with a bit for each ring. */
export type RingName = 'REQUEST' | 'RESPONSE';
const BOTH_RINGS = 3;
const SIZE_MASK = 0x1f;
const SMALLEST_RING = 64;
/** Largest size code that the hardware knows: 4 MiB. */
const MAX_SIZE_CODE = 0x10;
const KEPT = new Set(['RING_PAIR_PASID', 'RING_PAIR_VECTOR']);

const NO_COUNTS: RingPairCounters = {
  requests: 0,
  responses: 0,
  errors: 0,
  bytesIn: 0,
  bytesOut: 0,
  interrupts: 0,
};

export class RingPair implements Snapshotable<RingPairState> {
  readonly index: number;
  readonly fast: RegisterFile;
  readonly config: RegisterFile;
  /** The coalescing timer runs. */
  isTimerSet = false;
  /** Record of the last doorbell: what the requests follow from. */
  doorbell = NO_CAUSE;
  counters: RingPairCounters = { ...NO_COUNTS };

  constructor(index: number, onDidWrite: (pair: RingPair, write: RegisterWrite) => void) {
    this.index = index;
    const hooks = {
      onDidWrite: (write: RegisterWrite): void => {
        onDidWrite(this, write);
      },
      onWillRead: (): void => {
        this.#refresh();
      },
    };
    this.fast = new RegisterFile(QAT_FAST, BANK_REGISTER_BYTES, hooks);
    this.config = new RegisterFile(QAT_CONFIG, BANK_REGISTER_BYTES, hooks);
    this.reset(false);
  }

  /** -1: requests carry no PASID. */
  get pasid(): number {
    const word = this.config.peek32(0x108);
    return word >>> 31 === 0 ? -1 : word & 0xf_ffff;
  }

  get vector(): number {
    return this.config.get('RING_PAIR_VECTOR', 'INDEX');
  }

  get isVectorInIms(): boolean {
    return this.config.get('RING_PAIR_VECTOR', 'IMS') === 1;
  }

  get isHalted(): boolean {
    return this.fast.get('RING_STATUS', 'HALTED') === 1;
  }

  get requestHead(): number {
    return this.fast.peek32(FAST.requestHead);
  }

  get requestTail(): number {
    return this.fast.peek32(FAST.requestTail);
  }

  get responseHead(): number {
    return this.fast.peek32(FAST.responseHead);
  }

  get responseTail(): number {
    return this.fast.peek32(FAST.responseTail);
  }

  ringBytes(ring: 0 | 1): number {
    const code = this.config.peek32(ring === 0 ? CONFIG.request : CONFIG.response) & SIZE_MASK;
    return SMALLEST_RING * 2 ** Math.min(code, MAX_SIZE_CODE);
  }

  baseHigh(ring: 0 | 1): number {
    return this.config.peek32(CONFIG.baseHigh + 4 * ring);
  }

  /** Bits below the ring's size do not count. */
  baseLow(ring: 0 | 1): number {
    return (this.config.peek32(CONFIG.baseLow + 4 * ring) & ~(this.ringBytes(ring) - 1)) >>> 0;
  }

  /** A request waits, there is room for its response, and the arbiter may choose the pair. */
  get isReady(): boolean {
    const isServed = (this.fast.peek32(0x19c) & BOTH_RINGS) === BOTH_RINGS;
    const next = (this.responseTail + RESPONSE_BYTES) % this.ringBytes(1);
    return (
      isServed &&
      !this.isHalted &&
      this.requestHead !== this.requestTail &&
      next !== this.responseHead
    );
  }

  /** Ring whose index cannot be right, also because the ring was made smaller; undefined when both can. */
  get badRing(): RingName | undefined {
    const isRequestGood =
      this.requestTail % REQUEST_BYTES === 0 &&
      Math.max(this.requestTail, this.requestHead) < this.ringBytes(0);
    const isResponseGood =
      this.responseHead % RESPONSE_BYTES === 0 &&
      Math.max(this.responseHead, this.responseTail) < this.ringBytes(1);
    if (!isRequestGood) {
      return 'REQUEST';
    }
    return isResponseGood ? undefined : 'RESPONSE';
  }

  /** Takes the pair out of service because of one of its rings. */
  halt(ring: RingName, isBroken: boolean): void {
    this.fast.set('RING_STATUS', 'HALTED', 1);
    this.fast.set('EXCEPTION_STATUS', ring, 1);
    if (isBroken) {
      this.fast.set('RING_STATUS', 'EXCEPTION', 1);
      this.fast.set('UNDERFLOW_OVERFLOW_STATUS', ring, 1);
    }
  }

  takeRequest(): void {
    const next = (this.requestHead + REQUEST_BYTES) % this.ringBytes(0);
    this.fast.poke32(FAST.requestHead, next);
    this.counters.requests++;
  }

  addResponse(): void {
    const next = (this.responseTail + RESPONSE_BYTES) % this.ringBytes(1);
    this.fast.poke32(FAST.responseTail, next);
    this.counters.responses++;
  }

  reset(keepAssignment: boolean): void {
    this.fast.reset();
    this.config.reset((register) => keepAssignment && KEPT.has(register.name));
    if (!keepAssignment) {
      this.config.set('RING_PAIR_VECTOR', 'INDEX', this.index);
    }
    this.isTimerSet = false;
    this.doorbell = NO_CAUSE;
    this.counters = { ...NO_COUNTS };
  }

  snapshot(): RingPairState {
    return {
      fast: this.fast.snapshot(),
      config: this.config.snapshot(),
      isTimerSet: this.isTimerSet,
      doorbell: this.doorbell,
      counters: { ...this.counters },
    };
  }

  restore(state: RingPairState): void {
    this.fast.restore(state.fast);
    this.config.restore(state.config);
    this.isTimerSet = state.isTimerSet;
    this.doorbell = state.doorbell;
    this.counters = { ...state.counters };
  }

  #refresh(): void {
    const empty =
      (this.requestHead === this.requestTail ? 1 : 0) |
      (this.responseHead === this.responseTail ? 2 : 0);
    const full =
      ((this.requestTail + REQUEST_BYTES) % this.ringBytes(0) === this.requestHead ? 1 : 0) |
      ((this.responseTail + RESPONSE_BYTES) % this.ringBytes(1) === this.responseHead ? 2 : 0);
    this.fast.poke32(STATUS.empty, empty);
    this.fast.poke32(STATUS.nearlyEmpty, empty);
    this.fast.poke32(STATUS.nearlyFull, full);
    this.fast.poke32(STATUS.full, full);
  }
}
