/**
 * Extended page tables: the pointer in the VMCS and the entries of each level. Intel SDM volume 3, "The Extended Page Table
 * Mechanism (EPT)".
 *
 * An entry that grants none of R, W, X is not present and its access is an EPT violation. Write without read is a
 * misconfiguration, as are reserved bits: KVM marks pages of emulated registers with the first on purpose, because the exit
 * is cheaper to take apart. Mode-based execute control, sub-page permissions and suppressed #VE are not modelled.
 */
import { address, bit, bits, ignored, reserved } from '../../bits/field.ts';
import { defineStructure, type Structure } from '../../bits/structure.ts';
import { HIGHEST_LEAF_LEVEL, PAGE_SHIFT_1G, PAGE_SHIFT_2M } from '../paging/levels.ts';
import { sdm } from '../source.ts';

const SOURCE = sdm('volume 3, "The Extended Page Table Mechanism (EPT)"');

/** Memory types of a leaf; other encodings are a misconfiguration. */
export const EPT_MEMORY_TYPE = { UC: 0, WC: 1, WT: 4, WP: 5, WB: 6 } as const;

export const EptPointer = defineStructure({
  name: 'EptPointer',
  title: 'Extended-Page-Table Pointer (EPTP)',
  bytes: 8,
  source: SOURCE,
  note: 'VMCS field 201Ah: where the walk of guest-physical addresses starts.',
  fields: {
    MT: bits(2, 0, 'Memory type of the tables', { values: { UC: 0, WB: 6 } }),
    WALK: bits(5, 3, 'Walk length minus 1', { note: '3: four levels.' }),
    AD: bit(6, 'Enable accessed and dirty flags'),
    _r7: reserved(11, 7),
    ADDR: address(63, 12, 'Top table', { validBits: 'MAXPHYADDR' }),
  },
});

const RIGHTS = {
  R: bit(0, 'Read', { note: 'The effective right is the AND over all levels.' }),
  W: bit(1, 'Write', { note: 'Write without read is a misconfiguration.' }),
  X: bit(2, 'Execute'),
};

const HIGH = { _i52: ignored(63, 52) };

const LEAF = {
  ...RIGHTS,
  MT: bits(5, 3, 'Memory type', { values: EPT_MEMORY_TYPE }),
  IPAT: bit(6, 'Ignore PAT', { note: 'The guest’s PAT has no say.' }),
  A: bit(8, 'Accessed'),
  D: bit(9, 'Dirty'),
  _i10: ignored(11, 10),
  ...HIGH,
};

export const EptTableEntry = defineStructure({
  name: 'EptTableEntry',
  title: 'EPT entry that names a table',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...RIGHTS,
    _r3: reserved(6, 3),
    PS: bit(7, 'Page size', { values: { table: 0 }, note: 'Reserved in a PML4E.' }),
    A: bit(8, 'Accessed'),
    _i9: ignored(11, 9),
    ADDR: address(51, 12, 'Address of the next table', { validBits: 'MAXPHYADDR' }),
    ...HIGH,
  },
});

export const Ept1GLeaf = defineStructure({
  name: 'Ept1GLeaf',
  title: 'EPT PDPE that maps a 1 GB page',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...LEAF,
    PS: bit(7, 'Page size', { note: '1: this entry maps 1 GB.' }),
    _r12: reserved(29, 12),
    ADDR: address(51, 30, 'Page address', { shift: PAGE_SHIFT_1G, validBits: 'MAXPHYADDR' }),
  },
});

export const Ept2MLeaf = defineStructure({
  name: 'Ept2MLeaf',
  title: 'EPT PDE that maps a 2 MB page',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...LEAF,
    PS: bit(7, 'Page size', { note: '1: this entry maps 2 MB.' }),
    _r12: reserved(20, 12),
    ADDR: address(51, 21, 'Page address', { shift: PAGE_SHIFT_2M, validBits: 'MAXPHYADDR' }),
  },
});

export const Ept4KLeaf = defineStructure({
  name: 'Ept4KLeaf',
  title: 'EPT PTE',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...LEAF,
    _i7: ignored(7),
    ADDR: address(51, 12, 'Page address', { validBits: 'MAXPHYADDR' }),
  },
});

/** The structure of an entry found at `level` (1 to 4) with this value of bit 7. */
export function eptEntryAt(level: number, hasBit7: boolean): Structure {
  if (level === 1) {
    return Ept4KLeaf;
  }
  if (!hasBit7 || level > HIGHEST_LEAF_LEVEL) {
    return EptTableEntry;
  }
  return level === HIGHEST_LEAF_LEVEL ? Ept1GLeaf : Ept2MLeaf;
}
