/**
 * Page requests of devices: checks, implicit invalidation, the queue in memory, automatic answers. VT-d 5.10 sections 7.4
 * and 11.4.11, order of section 7.4.1.
 */
import { bigOf, numberOf } from '../../bits/u64.ts';
import { PAGE_REQUEST_ANSWERED, PAGE_REQUEST_QUEUED } from '../../spec/events/iommu.ts';
import { PageRequestDescriptor } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import { PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { TTM } from '../../spec/vtd/registers/global-command.ts';
import { PQA_REG, PQH_REG, PQT_REG, PRS_REG } from '../../spec/vtd/registers/page-request.ts';
import type { RegisterFile } from '../core/register-file.ts';
import type { Trace } from '../core/trace.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import {
  ADDRESS_TYPE,
  PAGE_RESPONSE,
  type PageRequest,
  type PageResponseCode,
} from '../pcie/ports.ts';
import type { CacheInvalidation } from './cache-invalidation.ts';
import { REQUEST_CLASS, isQualifiedReason, isRecordedReason } from './fault-policy.ts';
import { pieceMask, pieceOf } from './piece.ts';
import type { DeviceTlbPort, EventMessageSource, FaultSink, PageRequestSink } from './ports.ts';
import type { Translation } from './translation.ts';
import type { UnitLimits } from './unit-limits.ts';

const PPR = pieceMask(PRS_REG, 'PPR');
const PRO = pieceMask(PRS_REG, 'PRO');
const PQS = pieceOf(PQA_REG, 'PQS');
const ENTRY_PGTT = pieceOf(PasidTableEntry, 'PGTT');
const ENTRY_DID = pieceOf(PasidTableEntry, 'DID');
const DESCRIPTOR_BYTES = 32;
const OFFSET_MASK = 0x7_ffe0;
/** Response number in the trace of a request that got no answer. */
const DROPPED = 255;

export interface PageRequestQueueOptions {
  readonly registers: RegisterFile;
  readonly memory: PhysicalMemory;
  readonly limits: UnitLimits;
  readonly translation: Translation;
  readonly caches: CacheInvalidation;
  readonly devices: DeviceTlbPort;
  readonly faults: FaultSink;
  readonly event: EventMessageSource;
  readonly trace: Trace;
  readonly source: number;
}

export class PageRequestQueue implements PageRequestSink {
  readonly #o: PageRequestQueueOptions;

  constructor(options: PageRequestQueueOptions) {
    this.#o = options;
  }

  request(rid: number, request: PageRequest): void {
    const { registers, translation, limits } = this.#o;
    if (limits.capability.ecap.PRS === 0 || !translation.isEnabled) {
      this.#answer(rid, request, DROPPED);
      return;
    }
    const fault = this.#check(rid, request);
    if (fault !== 0) {
      this.#reportFault(rid, request, fault);
      this.#answer(rid, request, this.#automatic(request, PAGE_RESPONSE.invalidRequest));
      return;
    }
    const status = registers.peek32(PRS_REG.offset);
    const isOverflowing = (status & PRO) !== 0;
    if (isOverflowing || this.#isFull()) {
      if (!isOverflowing && !this.#isSilentMarker(request)) {
        registers.poke32(PRS_REG.offset, status | PRO);
        this.#o.event.raise((status & PPR) !== 0);
      }
      this.#answer(rid, request, this.#automatic(request, PAGE_RESPONSE.success));
      return;
    }
    this.#invalidate(request);
    this.#store(rid, request);
  }

  /** Only the last request of a group gets a response, and a stop marker that the unit knows gets none. */
  #automatic(request: PageRequest, response: PageResponseCode): number {
    return request.isLastInGroup && !this.#isSilentMarker(request) ? response : DROPPED;
  }

  /** With SMS, a stop marker that cannot be queued is dropped without overflow (section 11.4.3). */
  #isSilentMarker(request: PageRequest): boolean {
    return this.#o.limits.capability.ecap.SMS === 1 && isStopMarker(request);
  }

  /** Software wrote PRS_REG. */
  statusChanged(): void {
    const status = this.#o.registers.peek32(PRS_REG.offset);
    this.#o.event.conditionsChanged((status & (PPR | PRO)) !== 0);
  }

  /** Structures on the way, no page tables (section 7.4.1). 0 or the fault reason. */
  #check(rid: number, request: PageRequest): number {
    const { translation, limits } = this.#o;
    const { structures } = translation;
    structures.isFaultDisabled = false;
    const { ecap } = limits.capability;
    switch (translation.mode) {
      case TTM.legacy:
        return 0x32;
      case TTM.abortDma:
        return ecap.ADMS === 1 ? 0x33 : 0x30;
      case TTM.reserved:
        return 0x30;
      default:
        break;
    }
    if (ecap.SMTS === 0) {
      return 0x30;
    }
    const fault = structures.lookupContext(rid);
    if (fault !== 0) {
      return fault;
    }
    if (!structures.hasPageRequests) {
      return 0x47;
    }
    if (request.pasid >= 0) {
      if (!structures.hasPasid) {
        return 0x45;
      }
      if (request.pasid >>> structures.directoryPasidBits !== 0) {
        return 0x46;
      }
      if (limits.features.RPS && request.pasid === structures.ridPasid) {
        return 0x48;
      }
    }
    return structures.lookupPasidEntry(
      rid,
      request.pasid >= 0 ? request.pasid : structures.ridPasid,
    );
  }

  #reportFault(rid: number, request: PageRequest, reason: number): void {
    const requestClass = REQUEST_CLASS.pageRequest;
    const isSilenced = isQualifiedReason(reason) && this.#o.translation.structures.isFaultDisabled;
    if (isSilenced || !isRecordedReason(requestClass, reason)) {
      return;
    }
    this.#o.faults.record({
      reason,
      rid,
      pasid: request.pasid,
      high: request.high,
      low: request.low,
      kind: 'page-request',
      addressType: ADDRESS_TYPE.untranslated,
      isPrivileged: request.isPrivileged,
      isExecute: request.isExecute,
    });
  }

  #isFull(): boolean {
    const { registers } = this.#o;
    const head = registers.peek32(PQH_REG.offset) & OFFSET_MASK;
    const tail = registers.peek32(PQT_REG.offset) & OFFSET_MASK;
    return (tail + DESCRIPTOR_BYTES) % this.#queueBytes() === head;
  }

  #queueBytes(): number {
    return 4096 * 2 ** ((this.#o.registers.peek32(PQA_REG.offset) & PQS.mask) >>> PQS.shift);
  }

  /** A read-only entry that the request is about must not survive it (section 6.5.3.1). */
  #invalidate(request: PageRequest): void {
    const { translation, caches } = this.#o;
    const { structures } = translation;
    const did = (structures.entry2 & ENTRY_DID.mask) >>> ENTRY_DID.shift;
    const pgtt = (structures.entry0 & ENTRY_PGTT.mask) >>> ENTRY_PGTT.shift;
    if (pgtt === PGTT.nested) {
      caches.iotlbDomain(did);
    } else if (pgtt === PGTT.firstStage) {
      const pasid = request.pasid >= 0 ? request.pasid : structures.ridPasid;
      caches.pasidIotlbPage(did, pasid, request.high, request.low, 12, false);
    } else {
      caches.iotlbPage(did, request.high, request.low, 12, false);
    }
  }

  #store(rid: number, request: PageRequest): void {
    const { registers, memory, trace, source, event } = this.#o;
    const words = PageRequestDescriptor.encode({
      TYPE: 1,
      PP: request.pasid >= 0 ? 1 : 0,
      RID: rid,
      PASID: Math.max(0, request.pasid),
      EXR: request.isExecute ? 1 : 0,
      PMR: request.isPrivileged ? 1 : 0,
      RDR: request.isRead ? 1 : 0,
      WRR: request.isWrite ? 1 : 0,
      LPIG: request.isLastInGroup ? 1 : 0,
      PRGI: request.groupIndex,
      ADDR: bigOf(request.high, request.low & ~0xfff),
    });
    const tail = registers.peek32(PQT_REG.offset) & OFFSET_MASK;
    const base = numberOf(
      registers.peek32(PQA_REG.offset + 4),
      registers.peek32(PQA_REG.offset) & ~0xfff,
    );
    memory.writeWords(base + tail, words);
    registers.poke32(PQT_REG.offset, (tail + DESCRIPTOR_BYTES) % this.#queueBytes());
    const status = registers.peek32(PRS_REG.offset);
    registers.poke32(PRS_REG.offset, status | PPR);
    trace.record(
      PAGE_REQUEST_QUEUED,
      source,
      rid,
      request.pasid,
      bigOf(request.high, request.low),
      request.groupIndex,
      request.isLastInGroup,
      request.isWrite,
    );
    event.raise((status & (PPR | PRO)) !== 0);
  }

  #answer(rid: number, request: PageRequest, response: number): void {
    const { trace, source, devices } = this.#o;
    const seq = trace.record(
      PAGE_REQUEST_ANSWERED,
      source,
      rid,
      request.pasid,
      bigOf(request.high, request.low),
      request.groupIndex,
      response,
    );
    if (response === DROPPED) {
      return;
    }
    const saved = trace.enter(seq);
    devices.pageGroupResponse(rid, request.pasid, request.groupIndex, response as PageResponseCode);
    trace.cause = saved;
  }
}

/** The last message of a PASID before a device forgets it (section 7.4.1.1): it asks for nothing. */
function isStopMarker(request: PageRequest): boolean {
  return request.pasid >= 0 && request.isLastInGroup && !request.isRead && !request.isWrite;
}
