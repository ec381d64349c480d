/**
 * First-stage paging entries, one structure for each kind. VT-d 5.10 section 9.7; the format is that of the CPU's own
 * tables, so a process can share them with a device.
 *
 * When P=0 everything else is ignored; reserved bits count only when P=1 (fault 72h). In nested translation the address
 * fields hold guest physical addresses. G is never honoured.
 */
import { address, bit, ignored, reserved } from '../../bits/field.ts';
import { defineStructure, type Structure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';
import { HIGHEST_LEAF_LEVEL, PAGE_SHIFT_1G, PAGE_SHIFT_2M } from './levels.ts';

const SOURCE = vtd('9.7');

const P = bit(0, 'Present', { note: '0 ends the walk with fault 71h.' });
const RW = bit(1, 'Read/Write', {
  note: 'Write right; user writes need it in every entry of the path.',
});
const US = bit(2, 'User/Supervisor', {
  note: 'User right; user requests need it in every entry of the path.',
});
const A = bit(5, 'Accessed', {
  note: 'Set by hardware before the entry is used, in leaf and non-leaf entries alike.',
});
const EA = bit(10, 'Extended Accessed', {
  note: 'Set together with A when the PASID entry has EAFE=1; ignored otherwise.',
});

const LEAF_LOW = {
  P,
  RW,
  US,
  PWT: bit(3, 'Page-level Write-Through', { note: 'Bit 0 of the index into the PAT field.' }),
  PCD: bit(4, 'Page-level Cache Disable', { note: 'Bit 1 of the index into the PAT field.' }),
  A,
  D: bit(6, 'Dirty', { note: 'Set by hardware before a write through this entry.' }),
};

const LEAF_MIDDLE = {
  G: bit(8, 'Global', { note: 'Treated as 0: the IOMMU has no global pages.' }),
  _i0: ignored(9),
  EA,
  _i1: ignored(11),
};

const largePagePat = bit(12, 'Page Attribute Table', {
  note: 'Bit 2 of the index into the PAT field; in large pages it sits at bit 12 because bit 7 is PS.',
});

const TABLE = {
  P,
  RW,
  US,
  _i0: ignored(4, 3),
  A,
  _i1: ignored(6),
  _i2: ignored(9, 8),
  EA,
  _i3: ignored(11),
  ADDR: address(51, 12, 'Address of the next table', { validBits: 'HAW' }),
  _i4: ignored(63, 52),
};

export const FirstStageUpperEntry = defineStructure({
  name: 'FirstStageUpperEntry',
  title: 'First-Stage PML5E or PML4E',
  bytes: 8,
  source: SOURCE,
  note: 'Always names a lower table: there are no 512 GB pages, so bit 7 is reserved.',
  fields: { ...TABLE, _r0: reserved(7) },
});

export const FirstStageTableEntry = defineStructure({
  name: 'FirstStageTableEntry',
  title: 'First-Stage PDPE or PDE that names a table',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...TABLE,
    PS: bit(7, 'Page Size', {
      values: { table: 0 },
      note: '0: the entry names a lower table; 1: it maps a large page.',
    }),
  },
});

export const FirstStage1GLeaf = defineStructure({
  name: 'FirstStage1GLeaf',
  title: 'First-Stage PDPE that maps a 1 GB page',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...LEAF_LOW,
    PS: bit(7, 'Page Size', {
      capability: 'FS1GP',
      note: '1: this entry maps 1 GB. Reserved when the unit has no 1 GB first-stage pages.',
    }),
    ...LEAF_MIDDLE,
    PAT: largePagePat,
    _r0: reserved(29, 13),
    ADDR: address(51, 30, 'Page address', { shift: PAGE_SHIFT_1G, validBits: 'HAW' }),
    _i2: ignored(63, 52),
  },
});

export const FirstStage2MLeaf = defineStructure({
  name: 'FirstStage2MLeaf',
  title: 'First-Stage PDE that maps a 2 MB page',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...LEAF_LOW,
    PS: bit(7, 'Page Size', { note: '1: this entry maps 2 MB, which every unit supports.' }),
    ...LEAF_MIDDLE,
    PAT: largePagePat,
    _r0: reserved(20, 13),
    ADDR: address(51, 21, 'Page address', { shift: PAGE_SHIFT_2M, validBits: 'HAW' }),
    _i2: ignored(63, 52),
  },
});

export const FirstStage4KLeaf = defineStructure({
  name: 'FirstStage4KLeaf',
  title: 'First-Stage PTE',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...LEAF_LOW,
    PAT: bit(7, 'Page Attribute Table', { note: 'Bit 2 of the index into the PAT field.' }),
    ...LEAF_MIDDLE,
    ADDR: address(51, 12, 'Page address', { validBits: 'HAW' }),
    _i2: ignored(63, 52),
  },
});

/** The structure that describes an entry found at `level` (1 to 5) with this value of bit 7. */
export function firstStageEntryAt(level: number, hasBit7: boolean): Structure {
  if (level > HIGHEST_LEAF_LEVEL) {
    return FirstStageUpperEntry;
  }
  if (level === 1) {
    return FirstStage4KLeaf;
  }
  if (!hasBit7) {
    return FirstStageTableEntry;
  }
  return level === HIGHEST_LEAF_LEVEL ? FirstStage1GLeaf : FirstStage2MLeaf;
}
