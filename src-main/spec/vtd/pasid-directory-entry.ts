/**
 * PASID directory entry: upper 14 bits of the PASID select it, and it names the table for the lower six.
 * VT-d 5.10 section 9.5; the split of the PASID is section 3.4.3.
 */
import { address, bit, reserved } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';

export const PasidDirectoryEntry = defineStructure({
  name: 'PasidDirectoryEntry',
  title: 'Scalable-Mode PASID Directory Entry',
  bytes: 8,
  source: vtd('9.5'),
  note: 'One entry covers 64 consecutive PASIDs.',
  fields: {
    P: bit(0, 'Present', { note: '0 blocks the 64 PASIDs behind it with fault 51h.' }),
    FPD: bit(1, 'Fault Processing Disable', {
      note: '1 keeps qualified faults of these PASIDs out of the fault log, even when P=0.',
    }),
    _r0: reserved(11, 2),
    SMPTBLPTR: address(63, 12, 'Scalable-Mode PASID Table Pointer', {
      validBits: 'HAW',
      note: 'Host physical address of a 4 KB table with 64 entries of 64 bytes.',
    }),
  },
});

/** Low PASID bits that index the PASID table; the rest indexes the directory. */
export const PASID_TABLE_INDEX_BITS = 6;
export const PASID_TABLE_ENTRIES = 2 ** PASID_TABLE_INDEX_BITS;
/** Widest PASID of PCI Express and of the tables. */
export const MAX_PASID_BITS = 20;
/** Bits added to PDTS for the number of directory entries. */
const SMALLEST_DIRECTORY_BITS = 7;

export function pasidDirectoryIndex(pasid: number): number {
  return Math.floor(pasid / PASID_TABLE_ENTRIES);
}

export function pasidTableIndex(pasid: number): number {
  return pasid % PASID_TABLE_ENTRIES;
}

/** Entries of a directory whose context entry holds this PDTS. */
export function pasidDirectoryEntries(pdts: number): number {
  return 2 ** (pdts + SMALLEST_DIRECTORY_BITS);
}

/** Largest PASID a directory of this PDTS reaches. */
export function largestPasid(pdts: number): number {
  return pasidDirectoryEntries(pdts) * PASID_TABLE_ENTRIES - 1;
}
