/**
 * The invalidation queue's descriptors: a valid one of every type, and in which queue and mode it is valid. The test of the
 * queue runs them, the coverage test compares them with the catalogue.
 */
import type { DescriptorTypeName } from '../../src-main/spec/vtd/descriptors/queue-descriptor.ts';
import {
  ContextCacheInvalidate,
  HostPermissionCacheInvalidate,
  InterruptEntryCacheInvalidate,
  IotlbInvalidate,
  PasidCacheInvalidate,
  PasidIotlbInvalidate,
} from '../../src-main/spec/vtd/descriptors/cache-descriptors.ts';
import {
  DeviceTlbInvalidate,
  PasidDeviceTlbInvalidate,
} from '../../src-main/spec/vtd/descriptors/device-tlb-descriptors.ts';
import { PageGroupResponse } from '../../src-main/spec/vtd/descriptors/page-request-descriptors.ts';
import { InvalidationWait } from '../../src-main/spec/vtd/descriptors/wait-descriptor.ts';
import { STATUS_WORD } from './iommu-bench.ts';
import { PASID, RID } from './iommu-setup.ts';

export interface QueueScenario {
  readonly type: DescriptorTypeName;
  readonly words: Uint32Array;
  /** Valid in legacy mode, and in 128-bit queues there. */
  readonly isLegacy: boolean;
  readonly bytes: 16 | 32;
  /** Without this capability the type is invalid. */
  readonly capability?: string;
  /** Granularities that are reserved, as a value of G. */
  readonly reservedGranularity?: Uint32Array;
}

export const QUEUE_SCENARIOS: readonly QueueScenario[] = [
  {
    type: 'contextCache',
    words: ContextCacheInvalidate.encode({ G: 1 }),
    isLegacy: true,
    bytes: 16,
    reservedGranularity: ContextCacheInvalidate.encode({ G: 0 }),
  },
  {
    type: 'iotlb',
    words: IotlbInvalidate.encode({ G: 1, DR: 1, DW: 1 }),
    isLegacy: true,
    bytes: 16,
    reservedGranularity: IotlbInvalidate.encode({ G: 0 }),
  },
  {
    type: 'deviceTlb',
    words: DeviceTlbInvalidate.encode({ SID: RID, ADDR: 0x1000n }),
    isLegacy: true,
    bytes: 16,
    capability: 'DT',
  },
  {
    type: 'interruptEntryCache',
    words: InterruptEntryCacheInvalidate.encode({ G: 0 }),
    isLegacy: true,
    bytes: 16,
    capability: 'IR',
  },
  {
    type: 'wait',
    words: InvalidationWait.encode({ SW: 1, STATUS_DATA: 7, STATUS_ADDR: BigInt(STATUS_WORD) }),
    isLegacy: true,
    bytes: 16,
  },
  {
    type: 'pasidIotlb',
    words: PasidIotlbInvalidate.encode({ G: 2, PASID }),
    isLegacy: false,
    bytes: 32,
    reservedGranularity: PasidIotlbInvalidate.encode({ G: 1, PASID }),
  },
  {
    type: 'pasidCache',
    words: PasidCacheInvalidate.encode({ G: 3 }),
    isLegacy: false,
    bytes: 32,
    reservedGranularity: PasidCacheInvalidate.encode({ G: 2 }),
  },
  {
    type: 'pasidDeviceTlb',
    words: PasidDeviceTlbInvalidate.encode({ SID: RID, PASID, ADDR: 0x1000n }),
    isLegacy: false,
    bytes: 32,
    capability: 'DT',
  },
  {
    type: 'pageGroupResponse',
    words: PageGroupResponse.encode({ RID, PP: 1, PASID, PRGI: 3 }),
    isLegacy: false,
    bytes: 32,
    capability: 'PRS',
  },
  {
    type: 'hostPermissionCache',
    words: HostPermissionCacheInvalidate.encode({ G: 1 }),
    isLegacy: false,
    bytes: 32,
    capability: 'HPTS',
    reservedGranularity: HostPermissionCacheInvalidate.encode({ G: 0 }),
  },
];
