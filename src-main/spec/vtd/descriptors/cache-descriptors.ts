/**
 * Descriptors that invalidate caches inside the unit: context cache, IOTLB, PASID cache, PASID-based IOTLB, interrupt entry
 * cache and host permission cache. VT-d 5.10 sections 6.5.2.1 to 6.5.2.8.
 *
 * Bits of a domain identifier above the supported width are ignored; reserved granularities make a descriptor invalid.
 */
import { address, bit, bits, reserved } from '../../../bits/field.ts';
import { vtd } from '../../source.ts';
import {
  CONTEXT_GRANULARITY,
  FUNCTION_MASK,
  IOTLB_GRANULARITY,
} from '../registers/register-invalidation.ts';
import { defineDescriptor } from './queue-descriptor.ts';

/** Granularities of PASID-based IOTLB invalidation; 00b and 01b are invalid. */
export const PASID_IOTLB_GRANULARITY = { pasid: 0b10, page: 0b11 } as const;

/** Granularities of PASID-cache invalidation; 10b is invalid. */
export const PASID_CACHE_GRANULARITY = { domain: 0b00, pasid: 0b01, global: 0b11 } as const;

export const INTERRUPT_CACHE_GRANULARITY = { global: 0, index: 1 } as const;

/** Which levels of a host permission table changed. */
export const HOST_PERMISSION_HINT = { level1: 0, levels1And2: 1, levels1To3: 2, all: 3 } as const;

const DID = bits(31, 16, 'Domain Identifier', { note: 'Entries with this tag.' });
const PASID = bits(51, 32, 'PASID', { format: 'hex', note: 'Entries with this tag.' });
const AM = bits(69, 64, 'Address Mask', {
  format: 'decimal',
  note: 'The region has 2^AM pages: 0 for 4 KB, 9 for 2 MB, 18 for 1 GB.',
});
const IH = bit(70, 'Invalidation Hint', {
  note: '1: only leaf entries changed, so paging-structure caches may be kept.',
});
const ADDR = address(127, 76, 'Address', {
  note: 'First page; bits under the mask are ignored.',
});

export const ContextCacheInvalidate = defineDescriptor({
  name: 'ContextCacheInvalidate',
  title: 'Context-cache Invalidate Descriptor',
  typeName: 'contextCache',
  bytes: 16,
  source: vtd('6.5.2.1'),
  isLegacy: true,
  note: 'After a change of root or context entries.',
  fields: {
    G: bits(5, 4, 'Granularity', {
      values: CONTEXT_GRANULARITY,
      note: 'All entries, those of a domain, or those of a function.',
    }),
    _r6: reserved(8, 6),
    _r12: reserved(15, 12),
    DID,
    SID: bits(47, 32, 'Source Identifier', { note: 'Function, for device granularity.' }),
    FM: bits(49, 48, 'Function Mask', {
      values: FUNCTION_MASK,
      note: 'Function number bits of SID that do not count.',
    }),
    _r50: reserved(127, 50),
  },
});

export const IotlbInvalidate = defineDescriptor({
  name: 'IotlbInvalidate',
  title: 'IOTLB Invalidate Descriptor',
  typeName: 'iotlb',
  bytes: 16,
  source: vtd('6.5.2.3'),
  isLegacy: true,
  note: 'After a change of second-stage tables; drops all first-stage entries of the domain too.',
  fields: {
    G: bits(5, 4, 'Granularity', {
      values: IOTLB_GRANULARITY,
      note: 'All entries, those of a domain, or pages of a domain.',
    }),
    DW: bit(6, 'Drain Writes', { note: 'Ignored where draining is always done.' }),
    DR: bit(7, 'Drain Reads', { note: 'Ignored where draining is always done.' }),
    _r8: reserved(8),
    _r12: reserved(15, 12),
    DID,
    _r32: reserved(63, 32),
    AM,
    IH,
    _r71: reserved(75, 71),
    ADDR,
  },
});

export const InterruptEntryCacheInvalidate = defineDescriptor({
  name: 'InterruptEntryCacheInvalidate',
  title: 'Interrupt Entry Cache Invalidate Descriptor',
  typeName: 'interruptEntryCache',
  bytes: 16,
  source: vtd('6.5.2.8'),
  isLegacy: true,
  capability: 'IR',
  note: 'After a change of interrupt remapping entries.',
  fields: {
    G: bit(4, 'Granularity', {
      values: INTERRUPT_CACHE_GRANULARITY,
      note: 'All entries, or those of an index range.',
    }),
    _r5: reserved(8, 5),
    _r12: reserved(26, 12),
    IM: bits(31, 27, 'Index Mask', {
      format: 'decimal',
      note: 'Low bits of the index that do not count.',
    }),
    IIDX: bits(47, 32, 'Interrupt Index', { format: 'hex', note: 'First entry of the range.' }),
    _r48: reserved(127, 48),
  },
});

export const PasidIotlbInvalidate = defineDescriptor({
  name: 'PasidIotlbInvalidate',
  title: 'PASID-based IOTLB Invalidate Descriptor',
  typeName: 'pasidIotlb',
  bytes: 32,
  source: vtd('6.5.2.4'),
  note: 'After a change of first-stage tables; keeps paging-structure caches of the second stage.',
  fields: {
    G: bits(5, 4, 'Granularity', {
      values: PASID_IOTLB_GRANULARITY,
      note: 'All entries of a PASID, or some of its pages.',
    }),
    _r6: reserved(8, 6),
    _r12: reserved(15, 12),
    DID,
    PASID,
    _r52: reserved(63, 52),
    AM,
    IH,
    _r71: reserved(75, 71),
    ADDR,
    _r128: reserved(255, 128),
  },
});

export const PasidCacheInvalidate = defineDescriptor({
  name: 'PasidCacheInvalidate',
  title: 'PASID-cache Invalidate Descriptor',
  typeName: 'pasidCache',
  bytes: 32,
  source: vtd('6.5.2.2'),
  note: 'After a change of PASID directory or table entries.',
  fields: {
    G: bits(5, 4, 'Granularity', {
      values: PASID_CACHE_GRANULARITY,
      note: 'All entries, those of a domain, or those of one PASID in a domain.',
    }),
    _r6: reserved(8, 6),
    _r12: reserved(15, 12),
    DID,
    PASID,
    _r52: reserved(63, 52),
    _r64: reserved(255, 64),
  },
});

export const HostPermissionCacheInvalidate = defineDescriptor({
  name: 'HostPermissionCacheInvalidate',
  title: 'Host Permission Table Cache Invalidate Descriptor',
  typeName: 'hostPermissionCache',
  bytes: 32,
  source: vtd('6.5.2.7'),
  capability: 'HPTS',
  note: 'After a change of host permission tables.',
  fields: {
    G: bits(5, 4, 'Granularity', {
      values: IOTLB_GRANULARITY,
      note: 'All entries, those of a domain, or pages of a domain.',
    }),
    _r6: reserved(8, 6),
    _r12: reserved(15, 12),
    HPTDID: bits(31, 16, 'Host Permission Table Domain Identifier', {
      note: 'Entries with this tag.',
    }),
    _r32: reserved(63, 32),
    AM,
    IH: bits(71, 70, 'Invalidation Hint', {
      values: HOST_PERMISSION_HINT,
      note: 'How far up the tables changed.',
    }),
    _r72: reserved(75, 72),
    ADDR,
    _r128: reserved(255, 128),
  },
});
