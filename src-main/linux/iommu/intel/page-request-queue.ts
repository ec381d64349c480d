/**
 * The page request queue of the unit as its software side (drivers/iommu/intel/prq.c): takes requests out, answers the ones
 * that no one could serve, and drains.
 */
import { PageRequestDescriptor } from '../../../spec/vtd/descriptors/page-request-descriptors.ts';
import { PAGE_RESPONSE_CODE } from '../../../spec/vtd/descriptors/page-request-descriptors.ts';
import {
  PEADDR_REG,
  PECTL_REG,
  PEDATA_REG,
  PEUADDR_REG,
  PQA_REG,
  PQH_REG,
  PQT_REG,
  PRS_REG,
} from '../../../spec/vtd/registers/page-request.ts';
import { InvalidationWait } from '../../../spec/vtd/descriptors/wait-descriptor.ts';
import type { Irqs } from '../../irq/irq.ts';
import { PAGE_BYTES } from '../../mm/page-allocator.ts';
import type { Iopf } from '../iopf.ts';
import type { DeviceInfo } from './device-info.ts';
import {
  iotlbDomain,
  pasidDeviceTlb,
  pasidIotlbAll,
  deviceTlb,
  WHOLE_SPACE,
} from './invalidations.ts';
import { readWords } from './table-write.ts';
import { FLPT_DEFAULT_DID, type IommuUnit } from './unit.ts';

/** 2^4 pages: 2048 requests. */
const QUEUE_SIZE = 4;
const ENTRY_BYTES = PageRequestDescriptor.bytes;
const QUEUE_BYTES = 2 ** QUEUE_SIZE * PAGE_BYTES;
const CANONICAL_LIMIT = 2 ** 47;
const MAX_DRAIN_ROUNDS = 8;

type Request = ReturnType<typeof PageRequestDescriptor.decode>;

export class PageRequestQueue {
  readonly base: number;
  readonly #unit: IommuUnit;
  readonly #iopf: Iopf;
  readonly #isKnown: (rid: number) => boolean;

  constructor(unit: IommuUnit, iopf: Iopf, isKnown: (rid: number) => boolean) {
    this.#unit = unit;
    this.#iopf = iopf;
    this.#isKnown = isKnown;
    this.base = unit.pages.alloc(2 ** QUEUE_SIZE, {
      owner: 'page request queue',
      alignment: QUEUE_BYTES,
    });
  }

  enable(irqs: Irqs): number {
    const { registers } = this.#unit;
    registers.writeAt(PQH_REG.offset, 8, 0n);
    registers.writeAt(PQT_REG.offset, 8, 0n);
    registers.write(PQA_REG, { PQA: BigInt(this.base), PQS: QUEUE_SIZE });
    return this.#unit.setEvent(
      {
        control: PECTL_REG.offset,
        data: PEDATA_REG.offset,
        address: PEADDR_REG.offset,
        upperAddress: PEUADDR_REG.offset,
      },
      irqs,
      () => this.handle(),
      'dmar0-prq',
    );
  }

  /** prq_event_thread: PPR goes first, or a request that arrives now would raise no event. */
  handle(): void {
    const { registers } = this.#unit;
    registers.write(PRS_REG, { PPR: 1 });
    const tail = Number(registers.value(PQT_REG));
    let head = Number(registers.value(PQH_REG));
    while (head !== tail) {
      const words = readWords(this.#unit.core, this.base + head, ENTRY_BYTES / 4);
      this.#take(PageRequestDescriptor.decode(words));
      head = (head + ENTRY_BYTES) % QUEUE_BYTES;
    }
    registers.writeAt(PQH_REG.offset, 8, BigInt(tail));
    const { core } = this.#unit;
    if (registers.read(PRS_REG).PRO === 1 && core.defends('page-request-overflow')) {
      core.warn('DMAR: page request overflow on dmar0');
      this.#iopf.discardPartial();
      registers.write(PRS_REG, { PRO: 1 });
    }
  }

  /** intel_iommu_drain_pasid_prq: after the entry is gone and the caches are clean. */
  drain(info: DeviceInfo, pasid: number, did: number): void {
    if (!info.dev.pri.isEnabled) {
      return;
    }
    this.handle();
    this.#iopf.flush(info.dev.rid, pasid === 0 ? -1 : pasid);
    const fence = { words: InvalidationWait.encode({ FN: 1 }) };
    const iotlb = did === FLPT_DEFAULT_DID ? pasidIotlbAll(did, pasid) : iotlbDomain(did);
    const device =
      pasid === 0
        ? deviceTlb(info.deviceTlb, WHOLE_SPACE)
        : pasidDeviceTlb(info.deviceTlb, pasid, WHOLE_SPACE);
    for (let round = 0; round < MAX_DRAIN_ROUNDS; round++) {
      this.#unit.queue.submit([fence, iotlb, device], {
        drainsPageRequests: this.#unit.has('PDS'),
      });
      if (this.#unit.registers.read(PRS_REG).PRO === 0) {
        return;
      }
      this.handle();
    }
  }

  #take(request: Request): void {
    const fault = {
      rid: request.RID,
      pasid: request.PP === 1 ? request.PASID : -1,
      address: Number(request.ADDR),
      isRead: request.RDR === 1,
      isWrite: request.WRR === 1,
      isLast: request.LPIG === 1,
      group: request.PRGI,
    };
    if (fault.isLast && !fault.isRead && !fault.isWrite) {
      return;
    }
    const problem = this.#problem(request);
    if (problem === undefined) {
      this.#iopf.report(fault);
    } else if (fault.isLast) {
      this.#iopf.respond(fault, PAGE_RESPONSE_CODE.invalidRequest, problem);
    }
  }

  /** Requests that are answered Invalid without looking further. */
  #problem(request: Request): string | undefined {
    if (request.PP === 0) {
      return 'page request without PASID';
    }
    if (Number(request.ADDR) >= CANONICAL_LIMIT) {
      return 'address is not canonical or not in user space';
    }
    if (request.PMR === 1) {
      return 'privileged page request';
    }
    if (request.EXR === 1 && request.RDR === 1) {
      return 'execution request';
    }
    return this.#isKnown(request.RID) ? undefined : 'unknown requester';
  }
}
