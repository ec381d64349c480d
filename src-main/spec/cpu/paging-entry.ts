/**
 * Paging entries as the CPU reads them, 4- and 5-level paging. Intel SDM volume 3, "4-Level Paging and 5-Level Paging".
 *
 * The bytes are the same that the IOMMU reads as first-stage entries (`spec/paging/first-stage-entry.ts`); the CPU gives
 * more of them a meaning: G, XD, protection keys. Protection keys, HLAT and shadow-stack rules are not modelled.
 */
import { address, bit, ignored, reserved } from '../../bits/field.ts';
import { defineStructure, type Structure } from '../../bits/structure.ts';
import { HIGHEST_LEAF_LEVEL, PAGE_SHIFT_1G, PAGE_SHIFT_2M } from '../paging/levels.ts';
import { sdm } from '../source.ts';

const SOURCE = sdm('volume 3, "4-Level Paging and 5-Level Paging"');

const RIGHTS = {
  P: bit(0, 'Present', { note: '0 raises #PF with P=0.' }),
  RW: bit(1, 'Read/Write', { note: 'Write right; needed in every entry of the path.' }),
  US: bit(2, 'User/Supervisor', { note: 'User right; needed in every entry of the path.' }),
  PWT: bit(3, 'Page-level Write-Through'),
  PCD: bit(4, 'Page-level Cache Disable'),
  A: bit(5, 'Accessed', { note: 'Set by the CPU, or by a device that shares the table.' }),
};

const LEAF = {
  D: bit(6, 'Dirty', { note: 'Set by the first write through the entry.' }),
  G: bit(8, 'Global', { note: 'Survives a change of CR3 in the TLB.' }),
  _i0: ignored(11, 9),
  _i1: ignored(58, 52),
  PKEY: bit(59, 'Protection key, bit 0', { note: 'Protection keys are not modelled.' }),
  _i2: ignored(62, 60, 'Protection key, bits 3:1'),
};

const XD = bit(63, 'Execute Disable', {
  capability: 'NXE',
  note: 'No instruction fetches from here. Reserved while IA32_EFER.NXE is 0.',
});

const TABLE = {
  ...RIGHTS,
  _i0: ignored(6),
  _i1: ignored(11, 8),
  ADDR: address(51, 12, 'Address of the next table', { validBits: 'MAXPHYADDR' }),
  _i2: ignored(62, 52),
  XD,
};

export const CpuUpperEntry = defineStructure({
  name: 'CpuUpperEntry',
  title: 'PML5E or PML4E',
  bytes: 8,
  source: SOURCE,
  fields: { ...TABLE, _r0: reserved(7) },
});

export const CpuTableEntry = defineStructure({
  name: 'CpuTableEntry',
  title: 'PDPTE or PDE that names a table',
  bytes: 8,
  source: SOURCE,
  fields: { ...TABLE, PS: bit(7, 'Page Size', { values: { table: 0 } }) },
});

export const Cpu1GPage = defineStructure({
  name: 'Cpu1GPage',
  title: 'PDPTE that maps a 1 GB page',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...RIGHTS,
    ...LEAF,
    PS: bit(7, 'Page Size', { note: '1: this entry maps 1 GB.' }),
    PAT: bit(12, 'Page Attribute Table'),
    _r0: reserved(29, 13),
    ADDR: address(51, 30, 'Page address', { shift: PAGE_SHIFT_1G, validBits: 'MAXPHYADDR' }),
    XD,
  },
});

export const Cpu2MPage = defineStructure({
  name: 'Cpu2MPage',
  title: 'PDE that maps a 2 MB page',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...RIGHTS,
    ...LEAF,
    PS: bit(7, 'Page Size', { note: '1: this entry maps 2 MB.' }),
    PAT: bit(12, 'Page Attribute Table'),
    _r0: reserved(20, 13),
    ADDR: address(51, 21, 'Page address', { shift: PAGE_SHIFT_2M, validBits: 'MAXPHYADDR' }),
    XD,
  },
});

export const Cpu4KPage = defineStructure({
  name: 'Cpu4KPage',
  title: 'PTE',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...RIGHTS,
    ...LEAF,
    PAT: bit(7, 'Page Attribute Table'),
    ADDR: address(51, 12, 'Page address', { validBits: 'MAXPHYADDR' }),
    XD,
  },
});

/** The structure that describes an entry found at `level` (1 to 5) with this value of bit 7. */
export function cpuPagingEntryAt(level: number, hasBit7: boolean): Structure {
  if (level > HIGHEST_LEAF_LEVEL) {
    return CpuUpperEntry;
  }
  if (level === 1) {
    return Cpu4KPage;
  }
  if (!hasBit7) {
    return CpuTableEntry;
  }
  return level === HIGHEST_LEAF_LEVEL ? Cpu1GPage : Cpu2MPage;
}
