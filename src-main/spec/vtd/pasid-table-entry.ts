/**
 * PASID table entry: everything the IOMMU knows about one address space of one function. VT-d 5.10 section 9.6.
 *
 * FPD counts even when P=0. With P=1 all reserved bits are checked, those of absent capabilities included, whatever PGTT
 * says; a field that the translation type does not use is otherwise ignored. Unsupported values of AW, PGTT and FSPM are
 * programming errors (fault 5Bh) that the walk detects.
 */
import { address, bit, bits, ignored, reserved } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';
import { AW } from './address-width.ts';

/** PASID Granular Translation Type. Other encodings are reserved. */
export const PGTT = {
  firstStage: 0b001,
  secondStage: 0b010,
  nested: 0b011,
  passThrough: 0b100,
} as const;

/** First Stage Paging Mode. Other encodings are reserved. */
export const FSPM = { levels4: 0b00, levels5: 0b01 } as const;

export const PasidTableEntry = defineStructure({
  name: 'PasidTableEntry',
  title: 'Scalable-Mode PASID Table Entry',
  bytes: 64,
  source: vtd('9.6'),
  note: 'Binds one PASID of one function to page tables. An ADI, a guest process or a whole VM can stand behind it.',
  fields: {
    P: bit(0, 'Present', { note: '0 blocks the PASID with fault 59h.' }),
    FPD: bit(1, 'Fault Processing Disable', {
      note: '1 keeps qualified faults of this PASID out of the fault log, even when P=0; set before teardown.',
    }),
    AW: bits(4, 2, 'Address Width', {
      values: AW,
      capability: 'AW_FIELD',
      note: 'Second-stage input width and number of levels; used for second-stage and nested translation.',
    }),
    _r0: reserved(5),
    PGTT: bits(8, 6, 'PASID Granular Translation Type', {
      values: PGTT,
      note: 'Which page tables translate this PASID.',
    }),
    SSADE: bit(9, 'Second Stage Access/Dirty Enable', {
      capability: ['SSTS', 'SSADS'],
      aka: ['SLADE'],
      note: 'Hardware sets accessed and dirty flags in second-stage entries.',
    }),
    _r1: reserved(11, 10),
    SSPTPTR: address(63, 12, 'Second Stage Page Table Pointer', {
      validBits: 'HAW',
      capability: 'SSTS',
      aka: ['SLPTPTR'],
      note: 'Host physical address of the top second-stage table; for a VM, the tables that map GPA to HPA.',
    }),
    DID: bits(79, 64, 'Domain Identifier', {
      validBits: 'DID_WIDTH',
      note: 'Tags cached translations; invalidations select by it.',
    }),
    _r2: reserved(86, 80),
    PWSNP: bit(87, 'Page Walk Snoop', {
      capability: 'SMPWCS',
      note: 'Page walks snoop CPU caches; needed before hardware may set accessed and dirty flags.',
    }),
    PGSNP: bit(88, 'Page Snoop', {
      capability: 'SC',
      note: 'Accesses to the final page snoop CPU caches whatever the request asks.',
    }),
    CD: bit(89, 'Cache Disable', {
      capability: 'MTS',
      note: 'Coherent devices use the uncached memory type.',
    }),
    EMTE: bit(90, 'Extended Memory Type Enable', {
      capability: 'MTS',
      note: 'Memory type comes from the second-stage leaf entry.',
    }),
    _r3: reserved(95, 91),
    PAT: bits(127, 96, 'Page Attribute Table', {
      capability: 'MTS',
      note: 'Eight memory types of four bits each, selected by PAT, PCD and PWT of the first-stage leaf.',
    }),
    SRE: bit(128, 'Supervisor Request Enable', {
      capability: 'SRS',
      note: 'Without it, supervisor requests end with fault 5Dh.',
    }),
    _r4: reserved(129),
    FSPM: bits(131, 130, 'First Stage Paging Mode', {
      values: FSPM,
      capability: 'FSTS',
      aka: ['FLPM'],
      note: 'Four or five levels; must match the paging mode of the process whose tables are shared.',
    }),
    WPE: bit(132, 'Write Protect Enable', {
      capability: 'FSTS',
      note: 'Supervisor writes also need R/W=1, as CR0.WP does for the CPU.',
    }),
    _i0: ignored(134, 133),
    EAFE: bit(135, 'Extended Accessed Flag Enable', {
      capability: 'EAFS',
      note: 'Hardware sets EA beside A in first-stage entries, so software can tell device accesses from CPU accesses.',
    }),
    _r5: reserved(139, 136),
    FSPTPTR: address(191, 140, 'First Stage Page Table Pointer', {
      validBits: 'HAW',
      capability: 'FSTS',
      aka: ['FLPTPTR'],
      note: 'Top first-stage table, often the CR3 of a process: host physical for first-stage, guest physical for nested.',
    }),
    _r6: reserved(255, 192),
    HPTSZ: bits(257, 256, 'Host Permission Table Size', {
      capability: 'HPTS',
      values: { reach49Bits: 0, reach50Bits: 1, reach51Bits: 2, reach52Bits: 3 },
      note: 'The top table has 4, 8, 16 or 32 KB.',
    }),
    HPTPFD: bit(258, 'Host Permission Table Prefetch Disable', {
      capability: 'HPTS',
      note: 'Hardware does not read permissions ahead of use.',
    }),
    _r7: reserved(267, 259),
    HPTPTR: address(319, 268, 'Host Permission Table Pointer', {
      validBits: 'HAW',
      capability: 'HPTS',
      note: 'Host physical address of the top host permission table.',
    }),
    HPTDID: bits(335, 320, 'Host Permission Table Domain Identifier', {
      validBits: 'DID_WIDTH',
      capability: 'HPTS',
      note: 'Tags cached permissions.',
    }),
    _r8: reserved(511, 336),
  },
});
