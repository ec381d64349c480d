/**
 * The part that all descriptors share: who asks, how to answer, what to do. DSA 3.0 section 8.1.
 *
 * Bits 31:0 are trusted: a CPU or the device fills them in. A dedicated queue takes PASID and privilege from WQCFG, and the
 * members of a batch take them from the batch descriptor. The flags have their own rules (`operations.ts`), so the reserved
 * mask of a descriptor counts from bit 64 on.
 */
import { address, bit, bits, reserved, type FieldSpec } from '../../bits/field.ts';
import type { FieldMap } from '../../bits/layout.ts';
import { defineStructure, type Structure } from '../../bits/structure.ts';
import { dsa } from '../source.ts';

export const DESCRIPTOR_BYTES = 64;
export const DESCRIPTOR_WORDS = 16;
export const RECORD_BYTES = 32;
export const RECORD_WORDS = 8;

/** Flags of every operation as bits of the flags field (bits 55:32 of the descriptor). */
export const FLAG = {
  fence: 0x00_0001,
  blockOnFault: 0x00_0002,
  recordAddressValid: 0x00_0004,
  requestRecord: 0x00_0008,
  requestInterrupt: 0x00_0010,
  cacheControl3: 0x00_0020,
  checkResult: 0x00_0080,
  cacheControl1: 0x00_0100,
  tc1: 0x00_0200,
  tc2: 0x00_0400,
  tc3: 0x00_0800,
  tcRecord: 0x00_1000,
  strictOrdering: 0x00_2000,
  cacheControl2: 0x00_4000,
} as const;

/** Word of a descriptor that holds flags and operation code, and where they are in it. */
export const FLAGS_WORD = 1;
export const FLAGS_MASK = 0x00ff_ffff;
export const OPCODE_SHIFT = 24;

const HEAD = {
  pasid: bits(19, 0, 'PASID', { note: 'Counts in a shared WQ only; the CPU fills it in.' }),
  _r0: reserved(30, 20),
  priv: bit(31, 'Priv', { note: 'Counts in a shared WQ only.' }),
  fence: bit(32, 'Fence', {
    note: 'In a batch: wait for all earlier members, and drop the rest if one of them failed.',
  }),
  blockOnFault: bit(33, 'Block on Fault', {
    note: 'Wait for a missing page instead of ending with a partial completion.',
  }),
  recordAddressValid: bit(34, 'Completion Record Address Valid', {
    note: 'Without it no record can be written, not even for errors.',
  }),
  requestRecord: bit(35, 'Request Completion Record', {
    note: 'Without it a record is written only for errors.',
  }),
  requestInterrupt: bit(36, 'Request Completion Interrupt', {
    note: 'An interrupt at the end; the handle says which.',
  }),
  cacheControl3: bit(37, 'Cache Control 3', {
    aka: ['Completion Record Steering Tag Selector'],
    note: 'With the other two: where written data should go.',
  }),
  _r1: reserved(38),
  checkResult: bit(39, 'Check Result', {
    note: 'Status 02h when the result is not the expected one.',
  }),
  cacheControl1: bit(40, 'Cache Control 1', { note: 'Hint: write to the CPU cache.' }),
  tc1: bit(41, 'Address 1 TC Selector', {
    note: '0 takes traffic class A of the group, 1 class B.',
  }),
  tc2: bit(42, 'Address 2 TC Selector', {
    note: '0 takes traffic class A of the group, 1 class B.',
  }),
  tc3: bit(43, 'Address 3 TC Selector', {
    note: '0 takes traffic class A of the group, 1 class B.',
  }),
  tcRecord: bit(44, 'Completion Record TC Selector', {
    note: '0 takes traffic class A of the group, 1 class B.',
  }),
  strictOrdering: bit(45, 'Strict Ordering', {
    note: 'The writes of this descriptor become visible in order.',
  }),
  cacheControl2: bit(46, 'Cache Control 2', {
    aka: ['Destination Readback'],
    note: 'The last destination address is read back before the record is written.',
  }),
  _r2: reserved(47),
} as const;

const REQUEST = {
  opcode: bits(63, 56, 'Operation', { note: 'What to do.' }),
  recordAddress: address(127, 64, 'Completion Record Address', {
    shift: 0,
    note: 'Aligned to 32 bytes.',
  }),
} as const;

const HANDLE = {
  interruptHandle: bits(303, 288, 'Completion Interrupt Handle', {
    note: 'MSI-X or IMS entry of the interrupt, by the portal used.',
  }),
} as const;

type Head = typeof HEAD & typeof REQUEST & typeof HANDLE;

/** Declares what nobody names as reserved. */
function fillGaps(fields: FieldMap, first: number, last: number): FieldMap {
  const taken = Object.values(fields)
    .flatMap((field) => field.parts)
    .sort((a, b) => a.low - b.low);
  const gaps: Record<string, FieldSpec> = {};
  let next = first;
  for (const part of [...taken, { low: last + 1, high: last + 1 }]) {
    if (part.low > next && part.low <= last + 1) {
      gaps[`_gap${next}`] = reserved(part.low - 1, next);
    }
    next = Math.max(next, part.high + 1);
  }
  return gaps;
}

/** Declares the descriptor of one operation: its own flags (bits 55:48) and its own fields (from bit 128 on). */
export function defineDescriptor<const F extends FieldMap>(
  name: string,
  title: string,
  fields: F,
): Structure<Head & F> {
  const named = { ...HEAD, ...REQUEST, ...HANDLE, ...fields };
  return defineStructure({
    name: `DsaDescriptor${name}`,
    title: `${title} Descriptor`,
    bytes: DESCRIPTOR_BYTES,
    source: dsa('8.3'),
    fields: { ...named, ...fillGaps(named, 0, DESCRIPTOR_BYTES * 8 - 1) } as Head & F,
  });
}

/** The common part alone, for descriptors whose operation is unknown. */
export const AnyDescriptor = defineDescriptor('Any', 'DSA', {
  operationFlags: bits(55, 48, 'Operation-specific Flags', {
    note: 'Meaning depends on the operation.',
  }),
  address1: address(191, 128, 'Address 1', {
    shift: 0,
    note: 'Source, pattern or list, by operation.',
  }),
  address2: address(255, 192, 'Address 2', {
    shift: 0,
    note: 'Destination or second source, by operation.',
  }),
  size: bits(287, 256, 'Size', { format: 'decimal', note: 'Bytes, or a count.' }),
  operationData0: address(383, 320, 'Operation-specific 0', { shift: 0, note: 'Bytes 40 to 47.' }),
  operationData1: address(447, 384, 'Operation-specific 1', { shift: 0, note: 'Bytes 48 to 55.' }),
  operationData2: address(511, 448, 'Operation-specific 2', { shift: 0, note: 'Bytes 56 to 63.' }),
});

/** Record fields that all operations share. DSA 3.0 section 8.2. */
const RECORD_HEAD = {
  status: bits(5, 0, 'Status', { note: '0 means not finished; software polls it.' }),
  _r0: reserved(6),
  write: bit(7, 'Faulting Access was a Write', { note: 'The access that faulted was a write.' }),
  result: bits(15, 8, 'Result', { note: 'DIF status for DIF operations.' }),
  addressMasked: bit(16, 'Fault Address Masked', {
    note: 'The low twelve bits of the fault address are not given.',
  }),
  operand: bits(19, 17, 'Faulting Operand', {
    values: { none: 0, source: 1, source2: 2, destination: 3, destination2: 4, record: 5, sgl: 6 },
    note: 'Which address faulted.',
  }),
  _r1: reserved(31, 20),
  bytesCompleted: bits(63, 32, 'Bytes Completed', {
    format: 'decimal',
    note: 'Descriptors completed for a batch; 0 after full completion of anything else.',
  }),
  faultAddress: address(127, 64, 'Fault Address', { shift: 0, note: 'Page that was missing.' }),
} as const;

/** Declares the completion record of an operation with fields from bit 128 on. */
export function defineRecord<const F extends FieldMap>(
  name: string,
  title: string,
  fields: F,
): Structure<typeof RECORD_HEAD & F> {
  const named = { ...RECORD_HEAD, ...fields };
  return defineStructure({
    name: `DsaRecord${name}`,
    title: `${title} Completion Record`,
    bytes: RECORD_BYTES,
    source: dsa('8.2'),
    note: 'Written at once; software clears the first byte and waits for it to change.',
    fields: { ...named, ...fillGaps(named, 0, RECORD_BYTES * 8 - 1) } as typeof RECORD_HEAD & F,
  });
}

export const PlainRecord = defineRecord('Plain', 'DSA', {
  invalidFlags: bits(151, 128, 'Invalid Flags or IDPT Handle', {
    note: 'With status 11h the flags that were wrong; of an inter-domain operation that failed at one, the handle.',
  }),
});
