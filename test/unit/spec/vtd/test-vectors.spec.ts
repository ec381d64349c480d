/**
 * Encodings worked out by hand from the printed layouts. Each row is checked in both directions: encoding the fields gives
 * exactly these bytes, and decoding the bytes gives exactly these fields and zeros elsewhere.
 */
import { describe, expect, it } from 'vitest';
import type { FieldMap, Layout, Values } from '../../../../src-main/bits/layout.ts';
import {
  decodeCapability,
  DEFAULT_PROFILE,
} from '../../../../src-main/spec/vtd/capability-profile.ts';
import { AW } from '../../../../src-main/spec/vtd/address-width.ts';
import { ScalableContextEntry } from '../../../../src-main/spec/vtd/context-entry.ts';
import {
  CONTEXT_GRANULARITY,
  IOTLB_GRANULARITY,
} from '../../../../src-main/spec/vtd/registers/register-invalidation.ts';
import {
  ContextCacheInvalidate,
  InterruptEntryCacheInvalidate,
  INTERRUPT_CACHE_GRANULARITY,
  IotlbInvalidate,
  PASID_CACHE_GRANULARITY,
  PASID_IOTLB_GRANULARITY,
  PasidCacheInvalidate,
  PasidIotlbInvalidate,
} from '../../../../src-main/spec/vtd/descriptors/cache-descriptors.ts';
import {
  DEVICE_TLB_EVERYTHING,
  DeviceTlbInvalidate,
  PasidDeviceTlbInvalidate,
} from '../../../../src-main/spec/vtd/descriptors/device-tlb-descriptors.ts';
import {
  PAGE_REQUEST_TYPE,
  PAGE_RESPONSE_CODE,
  PageGroupResponse,
  PageRequestDescriptor,
} from '../../../../src-main/spec/vtd/descriptors/page-request-descriptors.ts';
import { InvalidationWait } from '../../../../src-main/spec/vtd/descriptors/wait-descriptor.ts';
import { DESCRIPTOR_TYPE } from '../../../../src-main/spec/vtd/descriptors/queue-descriptor.ts';
import { faultReason } from '../../../../src-main/spec/vtd/faults.ts';
import {
  INTERRUPT_ADDRESS_PREFIX,
  RemappableMessageAddress,
} from '../../../../src-main/spec/vtd/interrupt-message.ts';
import {
  PostedInterruptEntry,
  RemappedInterruptEntry,
  RemappedInterruptEntryXapic,
  SVT,
} from '../../../../src-main/spec/vtd/interrupt-remap-entry.ts';
import {
  PasidDirectoryEntry,
  pasidDirectoryIndex,
  pasidTableIndex,
} from '../../../../src-main/spec/vtd/pasid-directory-entry.ts';
import { FSPM, PasidTableEntry, PGTT } from '../../../../src-main/spec/vtd/pasid-table-entry.ts';
import { FaultRecord } from '../../../../src-main/spec/vtd/registers/fault.ts';
import { ScalableRootEntry } from '../../../../src-main/spec/vtd/root-entry.ts';
import { fromQwords, toQwords } from '../../../support/qwords.ts';

const { context } = decodeCapability(DEFAULT_PROFILE);
const SID = 0x0318;

interface Vector {
  readonly title: string;
  readonly layout: Layout<FieldMap>;
  readonly fields: Readonly<Record<string, number | bigint>>;
  readonly qwords: string;
}

function vector<F extends FieldMap>(
  title: string,
  layout: Layout<F>,
  fields: Partial<Values<F>>,
  qwords: string,
): Vector {
  return {
    title,
    layout: layout as unknown as Layout<FieldMap>,
    fields: fields as Readonly<Record<string, number | bigint>>,
    qwords,
  };
}

const pageRequest = {
  TYPE: PAGE_REQUEST_TYPE,
  PP: 1,
  RID: SID,
  PASID: 5,
} as const;

const faultAt = { F: 1, SID, PP: 1, PV: 5, FI: 0x7f00_0020_1000n } as const;

const vectors: readonly Vector[] = [
  vector(
    'context-cache global',
    ContextCacheInvalidate,
    { TYPE: DESCRIPTOR_TYPE.contextCache, G: CONTEXT_GRANULARITY.global },
    '0000000000000011 0000000000000000',
  ),
  vector(
    'context-cache device, DID 5',
    ContextCacheInvalidate,
    { TYPE: DESCRIPTOR_TYPE.contextCache, G: CONTEXT_GRANULARITY.device, DID: 5, SID },
    '0000031800050031 0000000000000000',
  ),
  vector(
    'IOTLB global, drained',
    IotlbInvalidate,
    { TYPE: DESCRIPTOR_TYPE.iotlb, G: IOTLB_GRANULARITY.global, DR: 1, DW: 1 },
    '00000000000000d2 0000000000000000',
  ),
  vector(
    'IOTLB domain 5, drained',
    IotlbInvalidate,
    { TYPE: DESCRIPTOR_TYPE.iotlb, G: IOTLB_GRANULARITY.domain, DR: 1, DW: 1, DID: 5 },
    '00000000000500e2 0000000000000000',
  ),
  vector(
    'IOTLB page',
    IotlbInvalidate,
    { TYPE: DESCRIPTOR_TYPE.iotlb, G: IOTLB_GRANULARITY.page, DID: 5, ADDR: 0x1234_5000n },
    '0000000000050032 0000000012345000',
  ),
  vector(
    'PASID-based IOTLB, PASID-selective',
    PasidIotlbInvalidate,
    {
      TYPE: DESCRIPTOR_TYPE.pasidIotlb,
      G: PASID_IOTLB_GRANULARITY.pasid,
      DID: 1,
      PASID: 0x12345,
    },
    '0001234500010026 0 0 0',
  ),
  vector(
    'PASID-based IOTLB, 2 MB page with hint',
    PasidIotlbInvalidate,
    {
      TYPE: DESCRIPTOR_TYPE.pasidIotlb,
      G: PASID_IOTLB_GRANULARITY.page,
      DID: 1,
      PASID: 5,
      AM: 9,
      IH: 1,
      ADDR: 0x7f00_0020_0000n,
    },
    '0000000500010036 00007f0000200049 0 0',
  ),
  vector(
    'PASID-cache global',
    PasidCacheInvalidate,
    { TYPE: DESCRIPTOR_TYPE.pasidCache, G: PASID_CACHE_GRANULARITY.global },
    '0000000000000037 0 0 0',
  ),
  vector(
    'PASID-cache DID 1, PASID 5',
    PasidCacheInvalidate,
    { TYPE: DESCRIPTOR_TYPE.pasidCache, G: PASID_CACHE_GRANULARITY.pasid, DID: 1, PASID: 5 },
    '0000000500010017 0 0 0',
  ),
  vector(
    'device-TLB everything (padded)',
    DeviceTlbInvalidate.padded,
    {
      TYPE: DESCRIPTOR_TYPE.deviceTlb,
      SID,
      PFSID: SID,
      S: 1,
      ADDR: DEVICE_TLB_EVERYTHING,
    },
    '0310031800008003 7ffffffffffff001 0 0',
  ),
  vector(
    'PASID-based device-TLB 4 KB',
    PasidDeviceTlbInvalidate,
    {
      TYPE: DESCRIPTOR_TYPE.pasidDeviceTlb,
      SID,
      PFSID: SID,
      PASID: 5,
      ADDR: 0x7f00_0020_0000n,
    },
    '0310000503188008 00007f0000200000 0 0',
  ),
  vector(
    'PASID-based device-TLB 2 MB',
    PasidDeviceTlbInvalidate,
    {
      TYPE: DESCRIPTOR_TYPE.pasidDeviceTlb,
      SID,
      PFSID: SID,
      PASID: 5,
      S: 1,
      ADDR: 0x7f00_002f_f000n,
    },
    '0310000503188008 00007f00002ff800 0 0',
  ),
  vector(
    'IEC global',
    InterruptEntryCacheInvalidate,
    { TYPE: DESCRIPTOR_TYPE.interruptEntryCache, G: INTERRUPT_CACHE_GRANULARITY.global },
    '0000000000000004 0',
  ),
  vector(
    'IEC index 20h, IM 1',
    InterruptEntryCacheInvalidate,
    {
      TYPE: DESCRIPTOR_TYPE.interruptEntryCache,
      G: INTERRUPT_CACHE_GRANULARITY.index,
      IIDX: 0x20,
      IM: 1,
    },
    '0000002008000014 0',
  ),
  vector(
    'wait with status write and fence',
    InvalidationWait,
    {
      TYPE: DESCRIPTOR_TYPE.wait,
      SW: 1,
      FN: 1,
      STATUS_DATA: 2,
      STATUS_ADDR: 0x100_0008n,
    },
    '0000000200000065 0000000001000008',
  ),
  vector(
    'wait with status write and page request drain',
    InvalidationWait,
    {
      TYPE: DESCRIPTOR_TYPE.wait,
      SW: 1,
      PD: 1,
      STATUS_DATA: 2,
      STATUS_ADDR: 0x100_0008n,
    },
    '00000002000000a5 0000000001000008',
  ),
  vector(
    'wait with interrupt',
    InvalidationWait,
    { TYPE: DESCRIPTOR_TYPE.wait, IF: 1 },
    '0000000000000015 0000000000000000',
  ),
  vector(
    'page group response: success',
    PageGroupResponse,
    {
      TYPE: DESCRIPTOR_TYPE.pageGroupResponse,
      PP: 1,
      RC: PAGE_RESPONSE_CODE.success,
      RID: SID,
      PASID: 5,
      PRGI: 3,
    },
    '0000000503180019 0000000000000018 0 0',
  ),
  vector(
    'page group response: invalid request',
    PageGroupResponse,
    {
      TYPE: DESCRIPTOR_TYPE.pageGroupResponse,
      PP: 1,
      RC: PAGE_RESPONSE_CODE.invalidRequest,
      RID: SID,
      PASID: 5,
      PRGI: 3,
    },
    '0000000503181019 0000000000000018 0 0',
  ),
  vector(
    'page request to write, last in group',
    PageRequestDescriptor,
    { ...pageRequest, WRR: 1, LPIG: 1, PRGI: 3, ADDR: 0x7f00_0020_1000n },
    '0000000503180101 00007f000020101e 0 0',
  ),
  vector(
    'page request to read, last in group',
    PageRequestDescriptor,
    { ...pageRequest, RDR: 1, LPIG: 1, PRGI: 3, ADDR: 0x7f00_0020_1000n },
    '0000000503180101 00007f000020101d 0 0',
  ),
  vector(
    'stop marker',
    PageRequestDescriptor,
    { ...pageRequest, LPIG: 1 },
    '0000000503180101 0000000000000004 0 0',
  ),
  vector(
    'scalable root entry',
    ScalableRootEntry,
    { LP: 1, LCTP: 0x1_0000n, UP: 1, UCTP: 0x1_1000n },
    '0000000000010001 0000000000011001',
  ),
  vector(
    'scalable context entry',
    ScalableContextEntry,
    { P: 1, DTE: 1, PASIDE: 1, PRE: 1, PDTS: 7, PASIDDIRPTR: 0x2_0000n },
    '0000000000020e1d 0 0 0',
  ),
  vector(
    'PASID directory entry',
    PasidDirectoryEntry,
    { P: 1, SMPTBLPTR: 0x3_0000n },
    '0000000000030001',
  ),
  vector(
    'PASID entry, first-stage, 4-level',
    PasidTableEntry,
    {
      P: 1,
      PGTT: PGTT.firstStage,
      DID: 1,
      PWSNP: 1,
      PGSNP: 1,
      FSPM: FSPM.levels4,
      FSPTPTR: 0x4_0000n,
    },
    '0000000000000041 0000000001800001 0000000000040000 0 0 0 0 0',
  ),
  vector(
    'PASID entry, first-stage, 5-level with supervisor requests',
    PasidTableEntry,
    {
      P: 1,
      PGTT: PGTT.firstStage,
      DID: 1,
      PWSNP: 1,
      SRE: 1,
      WPE: 1,
      EAFE: 1,
      FSPM: FSPM.levels5,
      FSPTPTR: 0x4_0000n,
    },
    '0000000000000041 0000000000800001 0000000000040095 0 0 0 0 0',
  ),
  vector(
    'PASID entry, second-stage',
    PasidTableEntry,
    {
      P: 1,
      AW: AW.bits48,
      PGTT: PGTT.secondStage,
      SSADE: 1,
      SSPTPTR: 0x5_0000n,
      DID: 7,
      PWSNP: 1,
    },
    '0000000000050289 0000000000800007 0 0 0 0 0 0',
  ),
  vector(
    'PASID entry, nested',
    PasidTableEntry,
    {
      P: 1,
      AW: AW.bits48,
      PGTT: PGTT.nested,
      SSPTPTR: 0x5_0000n,
      DID: 9,
      PWSNP: 1,
      FSPTPTR: 0x4_0000n,
    },
    '00000000000500c9 0000000000800009 0000000000040000 0 0 0 0 0',
  ),
  vector(
    'PASID entry, pass-through',
    PasidTableEntry,
    { P: 1, PGTT: PGTT.passThrough, DID: 2 },
    '0000000000000101 0000000000000002 0 0 0 0 0 0',
  ),
  vector(
    'interrupt entry, x2APIC',
    RemappedInterruptEntry,
    { P: 1, V: 0x41, DST: 3, SVT: SVT.sidAndSq, SID },
    '0000000300410001 0000000000040318',
  ),
  vector(
    'interrupt entry, xAPIC',
    RemappedInterruptEntryXapic,
    { P: 1, V: 0x41, DST: 3, SVT: SVT.sidAndSq, SID },
    '0000030000410001 0000000000040318',
  ),
  vector(
    'interrupt entry, posted',
    PostedInterruptEntry,
    { P: 1, IM: 1, URG: 1, VV: 0x51, PDA: 0x1_2345_6780n, SVT: SVT.sidAndSq, SID },
    '234567800051c001 0000000100040318',
  ),
  vector(
    'message address, index 5 with subhandle',
    RemappableMessageAddress,
    { HANDLE: 5, SHV: 1, FORMAT: 1, PREFIX: INTERRUPT_ADDRESS_PREFIX },
    'fee000b8',
  ),
  vector(
    'message address, index 8005h with subhandle',
    RemappableMessageAddress,
    { HANDLE: 0x8005, SHV: 1, FORMAT: 1, PREFIX: INTERRUPT_ADDRESS_PREFIX },
    'fee000bc',
  ),
  vector(
    'message address, index 5 without subhandle',
    RemappableMessageAddress,
    { HANDLE: 5, FORMAT: 1, PREFIX: INTERRUPT_ADDRESS_PREFIX },
    'fee000b0',
  ),
  vector(
    'fault record: first-stage entry not present, read',
    FaultRecord,
    { ...faultAt, T1: 1, FR: faultReason('SFS.2').code },
    '00007f0000201000 c000057180000318',
  ),
  vector(
    'fault record: no write permission',
    FaultRecord,
    { ...faultAt, FR: faultReason('SGN.6').code },
    '00007f0000201000 8000058580000318',
  ),
  vector(
    'fault record: page request not enabled',
    FaultRecord,
    { ...faultAt, T2: 1, FR: faultReason('SCT.8').code },
    '00007f0000201000 8000054790000318',
  ),
  vector(
    'fault record: interrupt entry 20h not present',
    FaultRecord,
    { F: 1, SID, FR: faultReason('IR.22').code, FI: 0x20n << 48n },
    '0020000000000000 8000002200000318',
  ),
];

describe('VT-d test vectors', () => {
  it.each(vectors)('encodes $title', ({ layout, fields, qwords }) => {
    const expected = fromQwords(qwords, layout.words / 2);
    expect(toQwords(layout.encode(fields))).toEqual(toQwords(expected));
  });

  it.each(vectors)('decodes $title', ({ layout, fields, qwords }) => {
    const decoded = layout.decode(fromQwords(qwords, layout.words / 2));
    const zeros = Object.fromEntries(
      Object.entries(decoded).map(([name, value]) => [name, typeof value === 'bigint' ? 0n : 0]),
    );
    expect(decoded).toEqual({ ...zeros, ...fields });
  });

  it.each(vectors)('breaks no reserved rule: $title', ({ layout, qwords }) => {
    const words = fromQwords(qwords, layout.words / 2);
    expect(layout.violations(words, context).map((f) => f.name)).toEqual([]);
  });

  it.each([
    [0, 0, 0],
    [0x3f, 0, 63],
    [0x40, 1, 0],
    [0x12345, 1165, 5],
    [0xfffff, 16383, 63],
  ])('splits PASID %i into directory index %i and table index %i', (pasid, directory, table) => {
    expect(pasidDirectoryIndex(pasid)).toBe(directory);
    expect(pasidTableIndex(pasid)).toBe(table);
  });
});
