/**
 * Queued invalidation: fetching, checking and executing descriptors. VT-d 5.10 sections 6.5.2 and 11.4.9.
 *
 * Descriptors execute at once and in order, when software writes the tail; only a wait behind unanswered device-TLB
 * invalidations stays pending. In-order execution satisfies every ordering rule of section 6.5.4, and draining is implied:
 * a request is either before or after an invalidation, never in the middle of it.
 *
 * Not modelled: write buffers (DW, DR have no effect, as for major version 2 and later), execution time of descriptors.
 */
import { highOfBig, lowOfBig, numberOf } from '../../bits/u64.ts';
import {
  DESCRIPTOR_EXECUTED,
  PAGE_RESPONSE_SENT,
  QUEUE_ERROR,
  WAIT_COMPLETED,
} from '../../spec/events/iommu.ts';
import {
  ContextCacheInvalidate,
  InterruptEntryCacheInvalidate,
  IotlbInvalidate,
  PASID_CACHE_GRANULARITY,
  PASID_IOTLB_GRANULARITY,
  PasidCacheInvalidate,
  PasidIotlbInvalidate,
} from '../../spec/vtd/descriptors/cache-descriptors.ts';
import {
  DeviceTlbInvalidate,
  PasidDeviceTlbInvalidate,
} from '../../spec/vtd/descriptors/device-tlb-descriptors.ts';
import { PageGroupResponse } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import { DESCRIPTOR_TYPE } from '../../spec/vtd/descriptors/queue-descriptor.ts';
import { InvalidationWait } from '../../spec/vtd/descriptors/wait-descriptor.ts';
import { descriptorType, isDescriptorValid, queueDescriptor } from '../../spec/vtd/descriptors.ts';
import { IQEI } from '../../spec/vtd/invalidation-queue-error.ts';
import { FSTS_REG } from '../../spec/vtd/registers/fault.ts';
import { TTM } from '../../spec/vtd/registers/global-command.ts';
import {
  ICS_REG,
  IQA_REG,
  IQERCD_REG,
  IQH_REG,
  IQT_REG,
} from '../../spec/vtd/registers/invalidation-queue.ts';
import {
  CONTEXT_GRANULARITY,
  IOTLB_GRANULARITY,
} from '../../spec/vtd/registers/register-invalidation.ts';
import type { RegisterFile } from '../core/register-file.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import type { PageResponseCode } from '../pcie/ports.ts';
import type { CacheInvalidation } from './cache-invalidation.ts';
import type { DeviceTlbRequests } from './device-tlb-requests.ts';
import type { FaultRecording } from './fault-recording.ts';
import { pieceMask, pieceOf } from './piece.ts';
import type { DeviceTlbPort, EventMessageSource } from './ports.ts';
import type { UnitLimits } from './unit-limits.ts';

const FSTS_IQE = pieceMask(FSTS_REG, 'IQE');
const FSTS_ICE = pieceMask(FSTS_REG, 'ICE');
const FSTS_ITE = pieceMask(FSTS_REG, 'ITE');
const IWC = pieceMask(ICS_REG, 'IWC');
const QS = pieceOf(IQA_REG, 'QS');
const DW = pieceMask(IQA_REG, 'DW');
const IQEI_FIELD = pieceOf(IQERCD_REG, 'IQEI');
const QUEUE_OFFSET_MASK = 0x7_fff0;
/** Size shift that stands for every address. */
const EVERYTHING = 64;

/** The interrupt entry cache as the queue needs it. */
export interface InterruptCacheInvalidation {
  invalidateAll(): number;
  /** Entries whose index equals `index` but for its low `maskBits` bits. */
  invalidateIndex(index: number, maskBits: number): number;
}

export interface InvalidationQueueState {
  readonly isEnabled: boolean;
  readonly isWaiting: boolean;
}

export interface InvalidationQueueOptions {
  readonly registers: RegisterFile;
  readonly memory: PhysicalMemory;
  readonly limits: UnitLimits;
  readonly caches: CacheInvalidation;
  readonly interrupts: InterruptCacheInvalidation;
  readonly deviceTlb: DeviceTlbRequests;
  readonly devices: DeviceTlbPort;
  readonly faults: FaultRecording;
  readonly event: EventMessageSource;
  readonly trace: Trace;
  readonly source: number;
  /** RTADDR_REG.TTM as latched. */
  readonly mode: () => number;
}

export class InvalidationQueue implements Snapshotable<InvalidationQueueState> {
  readonly #o: InvalidationQueueOptions;
  #isEnabled = false;
  /** The descriptor at the head is a wait for answers of device TLBs, or an invalidation for which no tag is free. */
  #isWaiting = false;
  #isRunning = false;
  readonly #words = new Uint32Array(8);

  constructor(options: InvalidationQueueOptions) {
    this.#o = options;
  }

  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  setEnabled(isEnabled: boolean): void {
    this.#isEnabled = isEnabled;
    if (!isEnabled) {
      this.#isWaiting = false;
      this.#o.registers.poke64(IQH_REG.offset, 0n);
    } else {
      this.run();
    }
  }

  /** Fetches and executes as long as there is something to do and nothing is in the way. */
  run(): void {
    if (this.#isRunning) {
      return;
    }
    this.#isRunning = true;
    while (this.#canFetch() && this.#step()) {
      // Each step executes one descriptor.
    }
    this.#isRunning = false;
  }

  /** A device TLB has answered: the descriptor at the head looks again whether it may go on. */
  onFreed(): void {
    if (this.#isWaiting) {
      this.#isWaiting = false;
      this.run();
    }
  }

  /** Section 6.5.2.11: the tag is free, pending waits are aborted, fetching stops until software clears ITE. */
  onTimeout(rid: number): void {
    const { registers, faults } = this.#o;
    if ((registers.peek32(FSTS_REG.offset) & FSTS_ITE) === 0) {
      registers.set('IQERCD_REG', 'ITESID', rid);
    }
    this.#isWaiting = false;
    faults.raiseStatus(FSTS_ITE);
  }

  onBadCompletion(rid: number): void {
    const { registers, faults } = this.#o;
    if ((registers.peek32(FSTS_REG.offset) & FSTS_ICE) === 0) {
      registers.set('IQERCD_REG', 'ICESID', rid);
    }
    faults.raiseStatus(FSTS_ICE);
  }

  snapshot(): InvalidationQueueState {
    return { isEnabled: this.#isEnabled, isWaiting: this.#isWaiting };
  }

  restore(state: InvalidationQueueState): void {
    this.#isEnabled = state.isEnabled;
    this.#isWaiting = state.isWaiting;
  }

  #canFetch(): boolean {
    const { registers } = this.#o;
    return (
      this.#isEnabled &&
      !this.#isWaiting &&
      (registers.peek32(FSTS_REG.offset) & (FSTS_IQE | FSTS_ITE)) === 0 &&
      registers.peek32(IQH_REG.offset) !== registers.peek32(IQT_REG.offset)
    );
  }

  /** True when a descriptor was executed. */
  #step(): boolean {
    const { registers, memory, limits } = this.#o;
    const iqaLow = registers.peek32(IQA_REG.offset);
    const isWide = (iqaLow & DW) !== 0;
    const queueBytes = 4096 * 2 ** ((iqaLow & QS.mask) >>> QS.shift);
    const bytes = isWide ? 32 : 16;
    // Software that changes the width of an enabled queue must not get a head that never meets the tail.
    const head = registers.peek32(IQH_REG.offset) & QUEUE_OFFSET_MASK & -bytes;
    const tail = registers.peek32(IQT_REG.offset) & QUEUE_OFFSET_MASK;
    const index = head / bytes;
    const setup = this.#setupError(isWide, tail, queueBytes);
    if (setup !== 0) {
      return this.#fail(index, setup);
    }
    const address = numberOf(registers.peek32(IQA_REG.offset + 4), iqaLow & ~0xfff) + head;
    if (!memory.isMemory(address, bytes)) {
      return this.#fail(index, IQEI.fetchError);
    }
    const words = this.#words.fill(0);
    memory.readWords(address, words, bytes / 4);
    const descriptor = queueDescriptor(descriptorType(words));
    const ttm = isWide || limits.features.requiresWideQueue ? this.#o.mode() : TTM.legacy;
    if (
      descriptor === undefined ||
      (descriptor.bytes === 32 && !isWide) ||
      !isDescriptorValid(descriptor, { ttm, isWide, context: limits.capability.context })
    ) {
      return this.#fail(index, IQEI.invalidType);
    }
    const layout = isWide ? descriptor.padded : descriptor;
    if (layout.violations(words, limits.capability.context).length > 0) {
      return this.#fail(index, IQEI.reservedField);
    }
    if (descriptor.type === DESCRIPTOR_TYPE.wait && this.#o.deviceTlb.outstanding > 0) {
      this.#isWaiting = true;
      return false;
    }
    const isDeviceTlb =
      descriptor.type === DESCRIPTOR_TYPE.deviceTlb ||
      descriptor.type === DESCRIPTOR_TYPE.pasidDeviceTlb;
    if (isDeviceTlb && this.#o.deviceTlb.isFull) {
      this.#isWaiting = true;
      return false;
    }
    const dropped = this.#execute(descriptor.type, words, index);
    if (dropped < 0) {
      return this.#fail(index, IQEI.reservedField);
    }
    this.#o.trace.record(
      DESCRIPTOR_EXECUTED,
      this.#o.source,
      index,
      descriptor.type,
      numberToBig(words, 0),
      numberToBig(words, 2),
      dropped,
    );
    registers.poke32(IQH_REG.offset, (head + bytes) % queueBytes);
    return true;
  }

  /** Width, alignment, tail and mode errors, in the order in which hardware can notice them (table of 11.4.9.9). */
  #setupError(isWide: boolean, tail: number, queueBytes: number): number {
    const { ecap } = this.#o.limits.capability;
    const mode = this.#o.mode();
    if (tail >= queueBytes) {
      return IQEI.tailOutsideQueue;
    }
    if (isWide && tail % 32 !== 0) {
      return IQEI.tailNotAligned;
    }
    const isModeSupported =
      mode === TTM.legacy ||
      (mode === TTM.scalable && ecap.SMTS === 1) ||
      (mode === TTM.abortDma && ecap.ADMS === 1);
    if (!isModeSupported) {
      return IQEI.invalidMode;
    }
    const isWidthWrong = isWide
      ? ecap.SMTS === 0 && ecap.ADMS === 0
      : mode !== TTM.legacy && this.#o.limits.features.requiresWideQueue;
    return isWidthWrong ? IQEI.invalidWidth : 0;
  }

  /** Executes a valid descriptor. Number of dropped entries, or -1 when a granularity is reserved. */
  #execute(type: number, words: Uint32Array, index: number): number {
    switch (type) {
      case DESCRIPTOR_TYPE.contextCache:
        return this.#contextCache(words);
      case DESCRIPTOR_TYPE.iotlb:
        return this.#iotlb(words);
      case DESCRIPTOR_TYPE.pasidCache:
        return this.#pasidCache(words);
      case DESCRIPTOR_TYPE.pasidIotlb:
        return this.#pasidIotlb(words);
      case DESCRIPTOR_TYPE.interruptEntryCache: {
        const d = InterruptEntryCacheInvalidate.decode(words);
        return d.G === 0
          ? this.#o.interrupts.invalidateAll()
          : this.#o.interrupts.invalidateIndex(d.IIDX, d.IM);
      }
      case DESCRIPTOR_TYPE.deviceTlb:
        return this.#deviceTlb(words);
      case DESCRIPTOR_TYPE.pasidDeviceTlb:
        return this.#pasidDeviceTlb(words);
      case DESCRIPTOR_TYPE.pageGroupResponse:
        return this.#pageGroupResponse(words);
      case DESCRIPTOR_TYPE.wait:
        return this.#wait(words, index);
      default:
        // Host permissions are never cached.
        return 0;
    }
  }

  #contextCache(words: Uint32Array): number {
    const d = ContextCacheInvalidate.decode(words);
    switch (d.G) {
      case CONTEXT_GRANULARITY.global:
        return this.#o.caches.contextGlobal();
      case CONTEXT_GRANULARITY.domain:
        return this.#o.caches.contextDomain(d.DID);
      case CONTEXT_GRANULARITY.device:
        return this.#o.caches.contextDevice(d.SID, d.FM, d.DID);
      default:
        return -1;
    }
  }

  #iotlb(words: Uint32Array): number {
    const { capability } = this.#o.limits;
    const d = IotlbInvalidate.decode(words);
    switch (d.G) {
      case IOTLB_GRANULARITY.global:
        return this.#o.caches.iotlbGlobal();
      case IOTLB_GRANULARITY.domain:
        return this.#o.caches.iotlbDomain(d.DID);
      case IOTLB_GRANULARITY.page:
        if (capability.cap.PSI === 0 || d.AM > capability.maxAm) {
          return -1;
        }
        return this.#o.caches.iotlbPage(
          d.DID,
          highOfBig(d.ADDR),
          lowOfBig(d.ADDR),
          12 + d.AM,
          d.IH === 1,
        );
      default:
        return -1;
    }
  }

  #pasidCache(words: Uint32Array): number {
    const d = PasidCacheInvalidate.decode(words);
    switch (d.G) {
      case PASID_CACHE_GRANULARITY.global:
        return this.#o.caches.pasidGlobal();
      case PASID_CACHE_GRANULARITY.domain:
        return this.#o.caches.pasidDomain(d.DID);
      case PASID_CACHE_GRANULARITY.pasid:
        return this.#o.caches.pasidInDomain(d.DID, d.PASID);
      default:
        return -1;
    }
  }

  #pasidIotlb(words: Uint32Array): number {
    const d = PasidIotlbInvalidate.decode(words);
    switch (d.G) {
      case PASID_IOTLB_GRANULARITY.pasid:
        return this.#o.caches.pasidIotlbAll(d.DID, d.PASID);
      case PASID_IOTLB_GRANULARITY.page:
        return this.#o.caches.pasidIotlbPage(
          d.DID,
          d.PASID,
          highOfBig(d.ADDR),
          lowOfBig(d.ADDR),
          12 + d.AM,
          d.IH === 1,
        );
      default:
        return -1;
    }
  }

  #deviceTlb(words: Uint32Array): number {
    const d = DeviceTlbInvalidate.decode(words);
    this.#o.deviceTlb.send(
      d.SID,
      -1,
      false,
      highOfBig(d.ADDR),
      lowOfBig(d.ADDR),
      regionShift(d.ADDR, d.S === 1),
    );
    return 0;
  }

  #pasidDeviceTlb(words: Uint32Array): number {
    const d = PasidDeviceTlbInvalidate.decode(words);
    this.#o.deviceTlb.send(
      d.SID,
      d.PASID,
      d.GI === 1,
      highOfBig(d.ADDR),
      lowOfBig(d.ADDR),
      regionShift(d.ADDR, d.S === 1),
    );
    return 0;
  }

  #pageGroupResponse(words: Uint32Array): number {
    const d = PageGroupResponse.decode(words);
    const pasid = d.PP === 1 ? d.PASID : -1;
    const seq = this.#o.trace.record(
      PAGE_RESPONSE_SENT,
      this.#o.source,
      d.RID,
      pasid,
      d.PRGI,
      d.RC,
    );
    const saved = this.#o.trace.enter(seq);
    this.#o.devices.pageGroupResponse(d.RID, pasid, d.PRGI, d.RC as PageResponseCode);
    this.#o.trace.cause = saved;
    return 0;
  }

  /** Section 6.5.2.9: status first, then the interrupt. */
  #wait(words: Uint32Array, index: number): number {
    const { registers, memory, trace, source, event } = this.#o;
    const d = InvalidationWait.decode(words);
    const hawMask = (1n << BigInt(this.#o.limits.capability.haw)) - 1n;
    const address = d.STATUS_ADDR & hawMask;
    if (d.SW === 1) {
      memory.write32(Number(address), d.STATUS_DATA);
    }
    trace.record(WAIT_COMPLETED, source, index, address, d.STATUS_DATA, d.SW === 1);
    if (d.IF === 1) {
      const status = registers.peek32(ICS_REG.offset);
      registers.poke32(ICS_REG.offset, status | IWC);
      event.raise((status & IWC) !== 0);
    }
    return 0;
  }

  #fail(index: number, info: number): boolean {
    const { registers, faults, trace, source } = this.#o;
    const status = registers.peek32(FSTS_REG.offset);
    if ((status & FSTS_IQE) === 0) {
      const code = registers.peek32(IQERCD_REG.offset);
      registers.poke32(IQERCD_REG.offset, (code & ~IQEI_FIELD.mask) | (info << IQEI_FIELD.shift));
    }
    trace.record(QUEUE_ERROR, source, index, info, numberToBig(this.#words, 0));
    faults.raiseStatus(FSTS_IQE);
    return false;
  }
}

function numberToBig(words: Uint32Array, at: number): bigint {
  return (BigInt(words[at + 1] as number) << 32n) | BigInt(words[at] as number);
}

/** log2 of the region named by ADDR and S (VT-d 5.10 section 6.5.2.5): one more than the lowest zero bit from 12 up. */
export function regionShift(address: bigint, hasSize: boolean): number {
  if (!hasSize) {
    return 12;
  }
  for (let bit = 12; bit < 63; bit++) {
    if (((address >> BigInt(bit)) & 1n) === 0n) {
      return bit + 1;
    }
  }
  return EVERYTHING;
}
