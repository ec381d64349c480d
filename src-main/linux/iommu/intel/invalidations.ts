/** Commands of the invalidation queue, named as drivers/iommu/intel names their builders. */
import { PAGE_SHIFT } from '../../../spec/paging/levels.ts';
import {
  ContextCacheInvalidate,
  INTERRUPT_CACHE_GRANULARITY,
  InterruptEntryCacheInvalidate,
  IotlbInvalidate,
  PASID_CACHE_GRANULARITY,
  PASID_IOTLB_GRANULARITY,
  PasidCacheInvalidate,
  PasidIotlbInvalidate,
} from '../../../spec/vtd/descriptors/cache-descriptors.ts';
import {
  DEVICE_TLB_EVERYTHING,
  DeviceTlbInvalidate,
  PasidDeviceTlbInvalidate,
} from '../../../spec/vtd/descriptors/device-tlb-descriptors.ts';
import {
  PageGroupResponse,
  type PAGE_RESPONSE_CODE,
} from '../../../spec/vtd/descriptors/page-request-descriptors.ts';
import {
  CONTEXT_GRANULARITY,
  IOTLB_GRANULARITY,
} from '../../../spec/vtd/registers/register-invalidation.ts';
import type { QueueCommand } from './invalidation-queue.ts';

/** A power-of-two region of pages. */
export interface PageRegion {
  readonly address: number;
  /** log2 of the number of pages. */
  readonly am: number;
}

/** Everything of a PASID or function. */
export const WHOLE_SPACE = 'everything';

/** The smallest aligned power-of-two region that covers a range. */
export function coveringRegion(start: number, bytes: number): PageRegion {
  const page = 2 ** PAGE_SHIFT;
  const first = Math.floor(start / page);
  const last = Math.floor((start + bytes - 1) / page);
  let am = 0;
  while (Math.floor(first / 2 ** am) !== Math.floor(last / 2 ** am)) {
    am += 1;
  }
  return { address: Math.floor(first / 2 ** am) * 2 ** am * page, am };
}

export function contextCacheGlobal(): QueueCommand {
  return { words: ContextCacheInvalidate.encode({ G: CONTEXT_GRANULARITY.global }) };
}

export function contextCacheDevice(rid: number, did: number): QueueCommand {
  const words = ContextCacheInvalidate.encode({
    G: CONTEXT_GRANULARITY.device,
    SID: rid,
    DID: did,
  });
  return { words, rid };
}

export function pasidCacheGlobal(): QueueCommand {
  return { words: PasidCacheInvalidate.encode({ G: PASID_CACHE_GRANULARITY.global }) };
}

export function pasidCacheDomain(did: number): QueueCommand {
  return { words: PasidCacheInvalidate.encode({ G: PASID_CACHE_GRANULARITY.domain, DID: did }) };
}

export function pasidCachePasid(did: number, pasid: number): QueueCommand {
  const words = PasidCacheInvalidate.encode({
    G: PASID_CACHE_GRANULARITY.pasid,
    DID: did,
    PASID: pasid,
  });
  return { words, pasid };
}

export function iotlbGlobal(): QueueCommand {
  return { words: IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.global, DR: 1, DW: 1 }) };
}

export function iotlbDomain(did: number): QueueCommand {
  const words = IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.domain, DID: did, DR: 1, DW: 1 });
  return { words };
}

export function iotlbPages(did: number, region: PageRegion, isLeafOnly: boolean): QueueCommand {
  const words = IotlbInvalidate.encode({
    G: IOTLB_GRANULARITY.page,
    DID: did,
    DR: 1,
    DW: 1,
    AM: region.am,
    IH: Number(isLeafOnly),
    ADDR: BigInt(region.address),
  });
  return { words };
}

export function pasidIotlbAll(did: number, pasid: number): QueueCommand {
  const words = PasidIotlbInvalidate.encode({
    G: PASID_IOTLB_GRANULARITY.pasid,
    DID: did,
    PASID: pasid,
  });
  return { words, pasid };
}

export function pasidIotlbPages(
  did: number,
  pasid: number,
  region: PageRegion,
  isLeafOnly: boolean,
): QueueCommand {
  const words = PasidIotlbInvalidate.encode({
    G: PASID_IOTLB_GRANULARITY.page,
    DID: did,
    PASID: pasid,
    AM: region.am,
    IH: Number(isLeafOnly),
    ADDR: BigInt(region.address),
  });
  return { words, pasid };
}

/** Endpoint of a device-TLB command. */
export interface DeviceTlbTarget {
  readonly rid: number;
  /** Physical function that owns it. */
  readonly pfRid: number;
  /** Invalidations it can queue; 0 for 32. */
  readonly depth: number;
}

/** S bit and address that name a region: the zero above the ones tells the size (VT-d 5.10 section 6.5.2.5). */
function sizedAddress(region: PageRegion | typeof WHOLE_SPACE): { S: number; ADDR: bigint } {
  if (region === WHOLE_SPACE) {
    return { S: 1, ADDR: DEVICE_TLB_EVERYTHING };
  }
  if (region.am === 0) {
    return { S: 0, ADDR: BigInt(region.address) };
  }
  const ones = ((1n << BigInt(region.am - 1)) - 1n) << BigInt(PAGE_SHIFT);
  return { S: 1, ADDR: BigInt(region.address) | ones };
}

export function deviceTlb(
  target: DeviceTlbTarget,
  region: PageRegion | typeof WHOLE_SPACE,
): QueueCommand {
  const words = DeviceTlbInvalidate.encode({
    SID: target.rid,
    PFSID: target.pfRid,
    MIP: target.depth % 32,
    ...sizedAddress(region),
  });
  return { words, rid: target.rid };
}

export function pasidDeviceTlb(
  target: DeviceTlbTarget,
  pasid: number,
  region: PageRegion | typeof WHOLE_SPACE,
): QueueCommand {
  const words = PasidDeviceTlbInvalidate.encode({
    SID: target.rid,
    PFSID: target.pfRid,
    MIP: target.depth % 32,
    PASID: pasid,
    ...sizedAddress(region),
  });
  return { words, rid: target.rid, pasid };
}

export function interruptEntryGlobal(): QueueCommand {
  return { words: InterruptEntryCacheInvalidate.encode({ G: INTERRUPT_CACHE_GRANULARITY.global }) };
}

export function interruptEntryIndex(index: number): QueueCommand {
  const words = InterruptEntryCacheInvalidate.encode({
    G: INTERRUPT_CACHE_GRANULARITY.index,
    IIDX: index,
  });
  return { words };
}

export interface PageResponse {
  readonly rid: number;
  /** -1: the request had none. */
  readonly pasid: number;
  readonly group: number;
  readonly code: (typeof PAGE_RESPONSE_CODE)[keyof typeof PAGE_RESPONSE_CODE];
}

export function pageGroupResponse(response: PageResponse): QueueCommand {
  const hasPasid = response.pasid >= 0;
  const words = PageGroupResponse.encode({
    PP: Number(hasPasid),
    RC: response.code,
    RID: response.rid,
    PASID: hasPasid ? response.pasid : 0,
    PRGI: response.group,
  });
  return { words, rid: response.rid, pasid: response.pasid };
}
