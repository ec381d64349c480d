/**
 * Register-based invalidation: context command, invalidate address and IOTLB invalidate. VT-d 5.10 section 11.4.6.
 *
 * Units of major version 6 and later, and every mode but legacy, answer with granularity 00b, an error. The place of IVA_REG
 * and IOTLB_REG comes from ECAP_REG.IRO; the offsets here are those within the pair.
 */
import { address, bit, bits } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdP, rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';

const GRANULARITY_NOTE = 'What hardware did; 00b reports an error.';

/** Which function number bits of SID do not count. */
export const FUNCTION_MASK = { none: 0b00, bit2: 0b01, bits2To1: 0b10, bits2To0: 0b11 } as const;

/** Granularities of context-cache invalidation. */
export const CONTEXT_GRANULARITY = { global: 0b01, domain: 0b10, device: 0b11 } as const;

/** Granularities of IOTLB invalidation. */
export const IOTLB_GRANULARITY = { global: 0b01, domain: 0b10, page: 0b11 } as const;

export const CCMD_REG = defineRegister('CCMD_REG', {
  title: 'Context Command Register',
  offset: 0x28,
  bytes: 8,
  source: vtd('11.4.6.1'),
  note: 'Acts when the byte that holds ICC is written.',
  fields: {
    DID: bits(15, 0, 'Domain Identifier', {
      access: 'RW',
      note: 'For domain and device granularity.',
    }),
    SID: bits(31, 16, 'Source Identifier', { access: 'RW', note: 'For device granularity.' }),
    FM: bits(33, 32, 'Function Mask', {
      access: 'RW',
      values: FUNCTION_MASK,
      note: 'Function number bits of SID that do not count.',
    }),
    _r34: rsvdZ(58, 34),
    CAIG: bits(60, 59, 'Context Actual Invalidation Granularity', {
      access: 'RO',
      values: { error: 0, ...CONTEXT_GRANULARITY },
      note: GRANULARITY_NOTE,
    }),
    CIRG: bits(62, 61, 'Context Invalidation Request Granularity', {
      access: 'RW',
      values: CONTEXT_GRANULARITY,
      note: 'What software asks for.',
    }),
    ICC: bit(63, 'Invalidate Context-Cache', {
      access: 'RW',
      note: 'Set to start; hardware clears it when done.',
    }),
  },
});

export const IVA_REG = defineRegister('IVA_REG', {
  title: 'Invalidate Address Register',
  offset: 0x0,
  bytes: 8,
  source: vtd('11.4.6.2'),
  note: 'Written before IOTLB_REG for page granularity.',
  fields: {
    AM: bits(5, 0, 'Address Mask', {
      access: 'WO',
      format: 'decimal',
      note: 'Low page-number bits that do not count: 0 for 4 KB, 9 for 2 MB, 18 for 1 GB.',
    }),
    IH: bit(6, 'Invalidation Hint', { access: 'WO', note: 'Only leaf entries were changed.' }),
    _r7: rsvdZ(11, 7),
    ADDR: address(63, 12, 'Address', {
      access: 'WO',
      note: 'Second-stage input address; bits from MGAW up are ignored.',
    }),
  },
});

export const IOTLB_REG = defineRegister('IOTLB_REG', {
  title: 'IOTLB Invalidate Register',
  offset: 0x8,
  bytes: 8,
  source: vtd('11.4.6.3'),
  note: 'Acts when the byte that holds IVT is written.',
  fields: {
    _r0: rsvdP(31, 0),
    DID: bits(47, 32, 'Domain Identifier', {
      access: 'RW',
      note: 'For domain and page granularity.',
    }),
    DW: bit(48, 'Drain Writes', { access: 'RW', note: 'Ignored where draining is always done.' }),
    DR: bit(49, 'Drain Reads', { access: 'RW', note: 'Ignored where draining is always done.' }),
    _r50: rsvdP(56, 50),
    IAIG: bits(58, 57, 'IOTLB Actual Invalidation Granularity', {
      access: 'RO',
      values: { error: 0, ...IOTLB_GRANULARITY },
      note: GRANULARITY_NOTE,
    }),
    _r59: rsvdP(59),
    IIRG: bits(61, 60, 'IOTLB Invalidation Request Granularity', {
      access: 'RW',
      values: IOTLB_GRANULARITY,
      note: 'What software asks for.',
    }),
    _r62: rsvdP(62),
    IVT: bit(63, 'Invalidate IOTLB', {
      access: 'RW',
      note: 'Set to start; hardware clears it when done.',
    }),
  },
});
