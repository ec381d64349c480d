/**
 * Interrupt remapping table entries. VT-d 5.10 sections 9.9 and 9.10.
 *
 * Three forms: remapped with 32-bit destinations (IRTA_REG latched with EIME=1), remapped with 8-bit destinations, and
 * posted. IM tells remapped from posted. FPD counts even when P=0; reserved bits are checked when P=1.
 */
import { bit, bits, ignored, reserved, splitAddress } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';

/** Source validation type; 11b is reserved. */
export const SVT = { none: 0b00, sidAndSq: 0b01, busRange: 0b10 } as const;

/** Source-id qualifier: function number bits that do not count. */
export const SQ = {
  all: 0b00,
  ignoreBit2: 0b01,
  ignoreBits2To1: 0b10,
  ignoreBits2To0: 0b11,
} as const;

/** Delivery modes of interrupts; others are reserved. */
export const DELIVERY_MODE = {
  fixed: 0b000,
  lowestPriority: 0b001,
  smi: 0b010,
  nmi: 0b100,
  init: 0b101,
  extInt: 0b111,
} as const;

const P = bit(0, 'Present', { note: '0 blocks the interrupt with fault 22h.' });
const FPD = bit(1, 'Fault Processing Disable', {
  note: '1 keeps qualified faults of this entry out of the fault log, even when P=0.',
});

const SOURCE_CHECK = {
  SID: bits(79, 64, 'Source Identifier', {
    note: 'Requester allowed to use the entry, or first and last bus number.',
  }),
  SQ: bits(81, 80, 'Source-id Qualifier', {
    values: SQ,
    note: 'Function number bits that do not count.',
  }),
  SVT: bits(83, 82, 'Source Validation Type', {
    values: SVT,
    note: 'No check, requester check, or bus range check.',
  }),
  _r84: reserved(95, 84),
};

const REMAPPED = {
  P,
  FPD,
  DM: bit(2, 'Destination Mode', {
    values: { physical: 0, logical: 1 },
    note: 'How the destination is read.',
  }),
  RH: bit(3, 'Redirection Hint', { note: 'The interrupt may go to one of several CPUs.' }),
  TM: bit(4, 'Trigger Mode', {
    values: { edge: 0, level: 1 },
    note: 'Must match the I/O APIC for interrupts from one.',
  }),
  DLM: bits(7, 5, 'Delivery Mode', {
    values: DELIVERY_MODE,
    note: 'What kind of interrupt is delivered.',
  }),
  _i8: ignored(11, 8, 'Available to software'),
  _r12: reserved(14, 12),
  IM: bit(15, 'IRTE Mode', { values: { remapped: 0 }, note: '0: remapped, 1: posted.' }),
  V: bits(23, 16, 'Vector', { format: 'hex', note: 'Vector that the CPU sees.' }),
  _r24: reserved(31, 24),
};

export const RemappedInterruptEntry = defineStructure({
  name: 'RemappedInterruptEntry',
  title: 'Interrupt Remapping Table Entry, remapped, 32-bit destination',
  bytes: 16,
  source: vtd('9.9'),
  note: 'Replaces the interrupt a device asks for by the one software allows.',
  fields: {
    ...REMAPPED,
    DST: bits(63, 32, 'Destination', { format: 'hex', note: 'x2APIC identifier.' }),
    ...SOURCE_CHECK,
    _r96: reserved(127, 96),
  },
});

export const RemappedInterruptEntryXapic = defineStructure({
  name: 'RemappedInterruptEntryXapic',
  title: 'Interrupt Remapping Table Entry, remapped, 8-bit destination',
  bytes: 16,
  source: vtd('9.9'),
  note: 'The form used while EIME=0.',
  fields: {
    ...REMAPPED,
    _r32: reserved(39, 32),
    DST: bits(47, 40, 'Destination', { format: 'hex', note: 'xAPIC identifier.' }),
    _r48: reserved(63, 48),
    ...SOURCE_CHECK,
    _r96: reserved(127, 96),
  },
});

export const PostedInterruptEntry = defineStructure({
  name: 'PostedInterruptEntry',
  title: 'Interrupt Remapping Table Entry, posted',
  bytes: 16,
  source: vtd('9.10'),
  note: 'Records the interrupt in a descriptor of a virtual CPU, without a VM exit.',
  fields: {
    P,
    FPD,
    _r2: reserved(7, 2),
    _i8: ignored(11, 8, 'Available to software'),
    _r12: reserved(13, 12),
    URG: bit(14, 'Urgent', { note: 'Notifies even when the descriptor has SN=1.' }),
    IM: bit(15, 'IRTE Mode', {
      capability: 'PI',
      values: { posted: 1 },
      note: '0: remapped, 1: posted.',
    }),
    VV: bits(23, 16, 'Virtual Vector', { format: 'hex', note: 'Bit of PIR to set.' }),
    _r24: reserved(37, 24),
    ...SOURCE_CHECK,
    PDA: splitAddress(
      [
        [127, 96],
        [63, 38],
      ],
      'Posted Descriptor Address',
      {
        shift: 6,
        validBits: 'HAW',
        aka: ['PDAL', 'PDAH'],
        note: 'Host physical address of the 64-byte descriptor.',
      },
    ),
  },
});

/** Entries of a table whose address register holds this S. */
export function interruptTableEntries(s: number): number {
  return 2 ** (s + 1);
}
