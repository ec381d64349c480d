/**
 * Second-stage paging entries, one structure for each kind. VT-d 5.10 section 9.8.
 *
 * Reserved bits count only when the entry grants something (R or W, or IR or IW when RTADDR_REG.SSIRWE was latched as 1).
 * `SSIRWE` is therefore a capability name of these layouts that follows machine state, not a register of capabilities.
 * The transient-mapping use of bit 62 in older revisions is not modelled.
 */
import { address, bit, bits, ignored, reserved } from '../../bits/field.ts';
import { defineStructure, type Structure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';
import { HIGHEST_LEAF_LEVEL, PAGE_SHIFT_1G, PAGE_SHIFT_2M } from './levels.ts';

const SOURCE = vtd('9.8');

/** Memory types of the EMT field (VT-d 5.10 section 9.8); other encodings are reserved. */
export const EMT = { UC: 0, WC: 1, WT: 4, WP: 5, WB: 6 } as const;

const RIGHTS = {
  R: bit(0, 'Read', {
    note: 'Read right; the effective right is the AND over all levels. Ignored when SSIRWE=1.',
  }),
  W: bit(1, 'Write', {
    note: 'Write right; the effective right is the AND over all levels. Ignored when SSIRWE=1.',
  }),
  _i2: ignored(2),
};

const A = bit(8, 'Accessed', {
  note: 'Set by hardware when the PASID entry has SSADE=1; ignored otherwise.',
});

const HIGH = {
  _i60: ignored(60, 52),
  IR: bit(61, 'I/O Read', { note: 'Read right when SSIRWE=1; ignored otherwise.' }),
  IW: bit(62, 'I/O Write', {
    capability: 'SSIRWE',
    note: 'Write right when SSIRWE=1; reserved otherwise.',
  }),
  _i63: ignored(63),
};

const LEAF_TYPE = {
  EMT: bits(5, 3, 'Extended Memory Type', {
    values: EMT,
    note: 'Used when the PASID entry has EMTE=1; ignored otherwise.',
  }),
  IPAT: bit(6, 'Ignore PAT', {
    note: 'With EMTE=1, the first-stage memory type has no say.',
  }),
};

const LEAF_FLAGS = {
  A,
  D: bit(9, 'Dirty', {
    note: 'Set by hardware before a write when the PASID entry has SSADE=1; ignored otherwise.',
  }),
  _i10: ignored(10),
  SNP: bit(11, 'Snoop', {
    capability: 'SNP_FIELD',
    note: 'Accesses to the page snoop CPU caches whatever the request asks.',
  }),
};

const TABLE = {
  ...RIGHTS,
  _i6: ignored(6, 3),
  A,
  _i10: ignored(10, 9),
  _r11: reserved(11),
  ADDR: address(51, 12, 'Address of the next table', { validBits: 'HAW' }),
  ...HIGH,
};

export const SecondStageUpperEntry = defineStructure({
  name: 'SecondStageUpperEntry',
  title: 'Second-Stage PML5E or PML4E',
  bytes: 8,
  source: SOURCE,
  note: 'Always names a lower table, so bit 7 is reserved.',
  fields: { ...TABLE, _r7: reserved(7) },
});

export const SecondStageTableEntry = defineStructure({
  name: 'SecondStageTableEntry',
  title: 'Second-Stage PDPE or PDE that names a table',
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

export const SecondStage1GLeaf = defineStructure({
  name: 'SecondStage1GLeaf',
  title: 'Second-Stage PDPE that maps a 1 GB page',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...RIGHTS,
    ...LEAF_TYPE,
    PS: bit(7, 'Page Size', {
      capability: 'SSLPS_1G',
      note: '1: this entry maps 1 GB. Reserved when SSLPS does not report 1 GB pages.',
    }),
    ...LEAF_FLAGS,
    _r12: reserved(29, 12),
    ADDR: address(51, 30, 'Page address', { shift: PAGE_SHIFT_1G, validBits: 'HAW' }),
    ...HIGH,
  },
});

export const SecondStage2MLeaf = defineStructure({
  name: 'SecondStage2MLeaf',
  title: 'Second-Stage PDE that maps a 2 MB page',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...RIGHTS,
    ...LEAF_TYPE,
    PS: bit(7, 'Page Size', {
      capability: 'SSLPS_2M',
      note: '1: this entry maps 2 MB. Reserved when SSLPS does not report 2 MB pages.',
    }),
    ...LEAF_FLAGS,
    _r12: reserved(20, 12),
    ADDR: address(51, 21, 'Page address', { shift: PAGE_SHIFT_2M, validBits: 'HAW' }),
    ...HIGH,
  },
});

export const SecondStage4KLeaf = defineStructure({
  name: 'SecondStage4KLeaf',
  title: 'Second-Stage PTE',
  bytes: 8,
  source: SOURCE,
  fields: {
    ...RIGHTS,
    ...LEAF_TYPE,
    _i7: ignored(7),
    ...LEAF_FLAGS,
    ADDR: address(51, 12, 'Page address', { validBits: 'HAW' }),
    ...HIGH,
  },
});

/** The structure that describes an entry found at `level` (1 to 5) with this value of bit 7. */
export function secondStageEntryAt(level: number, hasBit7: boolean): Structure {
  if (level > HIGHEST_LEAF_LEVEL) {
    return SecondStageUpperEntry;
  }
  if (level === 1) {
    return SecondStage4KLeaf;
  }
  if (!hasBit7) {
    return SecondStageTableEntry;
  }
  return level === HIGHEST_LEAF_LEVEL ? SecondStage1GLeaf : SecondStage2MLeaf;
}
