/**
 * Descriptors that send ATS invalidate requests to endpoints. VT-d 5.10 sections 6.5.2.5 and 6.5.2.6.
 *
 * Size: with S=0 the region is one page of 4 KB. With S=1 it has 2^(k+1) bytes, where k is the lowest zero bit of the
 * address from bit 12 up; all ones below a zero in bit 63 mean everything.
 */
import { address, bit, bits, reserved, split } from '../../../bits/field.ts';
import { vtd } from '../../source.ts';
import { defineDescriptor } from './queue-descriptor.ts';

const PFSID = split(
  [
    [63, 52],
    [15, 12],
  ],
  'Physical Function Source Identifier',
  {
    capability: 'DIT',
    note: 'Physical function that owns the endpoint; the same as SID unless SID is a virtual function.',
  },
);

const ADDR = address(127, 76, 'Address', {
  note: 'First page; with S=1 the low ones of the page number tell the size.',
});

/** Address of "everything" together with S=1. */
export const DEVICE_TLB_EVERYTHING = 0x7fff_ffff_ffff_f000n;

/** MIP 0 stands for this many pending invalidations. */
export const MAX_PENDING_INVALIDATIONS = 32;

export const DeviceTlbInvalidate = defineDescriptor({
  name: 'DeviceTlbInvalidate',
  title: 'Device-TLB Invalidate Descriptor',
  typeName: 'deviceTlb',
  bytes: 16,
  source: vtd('6.5.2.5'),
  isLegacy: true,
  capability: 'DT',
  note: 'Drops translations that the endpoint holds for requests without a PASID.',
  fields: {
    _r4: reserved(8, 4),
    PFSID,
    MIP: bits(20, 16, 'Maximum Invalidations Pending', {
      format: 'decimal',
      note: 'How many invalidations the endpoint can queue; 0 means 32.',
    }),
    _r21: reserved(31, 21),
    SID: bits(47, 32, 'Source Identifier', { note: 'The endpoint.' }),
    _r48: reserved(51, 48),
    S: bit(64, 'Size', { note: '1: the address tells a size above 4 KB.' }),
    _r65: reserved(75, 65),
    ADDR,
  },
});

export const PasidDeviceTlbInvalidate = defineDescriptor({
  name: 'PasidDeviceTlbInvalidate',
  title: 'PASID-based Device-TLB Invalidate Descriptor',
  typeName: 'pasidDeviceTlb',
  bytes: 32,
  source: vtd('6.5.2.6'),
  capability: 'DT',
  note: 'Drops translations that the endpoint holds for one PASID, or for all of them.',
  fields: {
    MIP: bits(8, 4, 'Maximum Invalidations Pending', {
      format: 'decimal',
      note: 'How many invalidations the endpoint can queue; 0 means 32.',
    }),
    PFSID,
    SID: bits(31, 16, 'Source Identifier', { note: 'The endpoint.' }),
    PASID: bits(51, 32, 'PASID', { format: 'hex', note: 'Ignored when GI=1.' }),
    GI: bit(64, 'Global Invalidate', { note: '1: translations of all PASIDs of the endpoint.' }),
    _r65: reserved(74, 65),
    S: bit(75, 'Size', { note: '1: the address tells a size above 4 KB.' }),
    ADDR,
    _r128: reserved(255, 128),
  },
});
