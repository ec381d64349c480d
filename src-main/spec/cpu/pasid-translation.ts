/**
 * Tables by which a CPU in VMX non-root operation turns the PASID of an enqueue, a guest PASID, into a host PASID.
 * Intel SDM volume 3, "PASID translation".
 *
 * The control bit, the VMCS fields and the exit reasons are certain. The split of the PASID and the entry layouts are the
 * project's reading of the public descriptions and not confirmed by a second source.
 */
import { address, bit, bits, reserved } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { sdm } from '../source.ts';

const SOURCE = sdm('volume 3, "PASID translation"');

export const PasidTranslationDirectoryEntry = defineStructure({
  name: 'PasidTranslationDirectoryEntry',
  title: 'PASID Translation Directory Entry (VMX)',
  bytes: 8,
  source: SOURCE,
  note: 'Guest PASID bit 19 selects the low or the high directory, bits 18:10 the entry.',
  fields: {
    P: bit(0, 'Present', {
      note: '0: any enqueue with one of these 1,024 guest PASIDs exits to the VMM.',
    }),
    _r0: reserved(11, 1),
    TABLE: address(63, 12, 'PASID translation table', { validBits: 'MAXPHYADDR' }),
  },
});

export const PasidTranslationTableEntry = defineStructure({
  name: 'PasidTranslationTableEntry',
  title: 'PASID Translation Table Entry (VMX)',
  bytes: 4,
  source: SOURCE,
  note: 'Guest PASID bits 9:0 select it.',
  fields: {
    HPASID: bits(19, 0, 'Host PASID', { note: 'What the device sees in the command.' }),
    _r0: reserved(30, 20),
    V: bit(31, 'Valid', { note: '0: the enqueue exits to the VMM, which may fill the entry.' }),
  },
});

const TABLE_INDEX_BITS = 10;
const DIRECTORY_INDEX_BITS = 9;

export function isHighPasidDirectory(guestPasid: number): boolean {
  return guestPasid >= 2 ** (TABLE_INDEX_BITS + DIRECTORY_INDEX_BITS);
}

export function pasidTranslationDirectoryIndex(guestPasid: number): number {
  return Math.floor(guestPasid / 2 ** TABLE_INDEX_BITS) % 2 ** DIRECTORY_INDEX_BITS;
}

export function pasidTranslationTableIndex(guestPasid: number): number {
  return guestPasid % 2 ** TABLE_INDEX_BITS;
}
