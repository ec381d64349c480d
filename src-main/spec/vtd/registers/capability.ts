/**
 * Version and capability registers: what a unit can do, fixed at reset. VT-d 5.10 sections 11.4.1 to 11.4.3.
 *
 * Field mnemonics are the capability names that other declarations use in `capability`.
 */
import { bit, bits, type FieldSpec } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';

function flag(
  index: number,
  title: string,
  note: string,
  aka?: readonly string[],
): FieldSpec<number> {
  return bit(index, title, { access: 'RO', note, ...(aka === undefined ? {} : { aka }) });
}

function count(high: number, low: number, title: string, note: string): FieldSpec<number> {
  return bits(high, low, title, { access: 'RO', format: 'decimal', note });
}

export const VER_REG = defineRegister('VER_REG', {
  title: 'Version Register',
  offset: 0x00,
  bytes: 4,
  source: vtd('11.4.1'),
  fields: {
    MIN: count(3, 0, 'Minor version', 'Number after the dot.'),
    MAX: count(7, 4, 'Major version', 'From 6 on, invalidation goes through the queue only.'),
    _r0: rsvdZ(31, 8),
  },
});

export const CAP_REG = defineRegister('CAP_REG', {
  title: 'Capability Register',
  offset: 0x08,
  bytes: 8,
  source: vtd('11.4.2'),
  fields: {
    ND: bits(2, 0, 'Number of domains', {
      access: 'RO',
      values: { bits4: 0, bits6: 1, bits8: 2, bits10: 3, bits12: 4, bits14: 5, bits16: 6 },
      note: 'Domain identifiers have 4+2*ND bits.',
    }),
    _r3: rsvdZ(3),
    RWBF: flag(
      4,
      'Required Write-Buffer Flushing',
      'Software must flush write buffers by GCMD_REG.WBF.',
    ),
    PLMR: flag(5, 'Protected Low-Memory Region', 'A region below 4 GB can be closed to all DMA.'),
    PHMR: flag(6, 'Protected High-Memory Region', 'A region above 4 GB can be closed to all DMA.'),
    CM: flag(
      7,
      'Caching Mode',
      'Entries that are not present may be cached too; emulated units report it.',
    ),
    SAGAW: bits(12, 8, 'Supported Adjusted Guest Address Widths', {
      access: 'RO',
      note: 'Bit 1: 39 bits and 3 levels; bit 2: 48 bits and 4 levels; bit 3: 57 bits and 5 levels.',
    }),
    _r13: rsvdZ(15, 13),
    MGAW: count(
      21,
      16,
      'Maximum Guest Address Width',
      'Second-stage input addresses have at most MGAW+1 bits.',
    ),
    ZLR: flag(22, 'Zero Length Read', 'Zero-length reads of write-only pages are allowed.'),
    _r23: rsvdZ(23),
    FRO: bits(33, 24, 'Fault-recording Register offset', {
      access: 'RO',
      note: 'The fault recording registers start at 16*FRO.',
    }),
    SSLPS: bits(37, 34, 'Second Stage Large Page Support', {
      access: 'RO',
      values: { none: 0, pages2M: 1, pages2MAnd1G: 3 },
      note: 'Bit 0: 2 MB pages; bit 1: 1 GB pages.',
    }),
    _r38: rsvdZ(38),
    PSI: flag(
      39,
      'Page Selective Invalidation',
      'IOTLB entries of a domain can be invalidated page by page.',
    ),
    NFR: count(47, 40, 'Number of Fault-recording Registers', 'There are NFR+1 of them.'),
    MAMV: count(53, 48, 'Maximum Address Mask Value', 'Largest AM of an IOTLB invalidation.'),
    DWD: flag(
      54,
      'Write Draining',
      'IOTLB invalidations can drain writes; always so from major version 2 on.',
    ),
    DRD: flag(
      55,
      'Read Draining',
      'IOTLB invalidations can drain reads; always so from major version 2 on.',
    ),
    FS1GP: flag(56, 'First Stage 1-GByte Page Support', '1 GB pages at the first stage.', [
      'FL1GP',
    ]),
    _r57: rsvdZ(58, 57),
    PI: flag(
      59,
      'Posted Interrupts Support',
      'Interrupts can be posted to a descriptor in memory.',
    ),
    FS5LP: flag(60, 'First Stage 5-level Paging Support', '5-level first-stage tables.', ['FL5LP']),
    ECMDS: flag(61, 'Enhanced Command Support', 'The enhanced command registers exist.'),
    ESIRTPS: flag(
      62,
      'Enhanced Set Interrupt Root Table Pointer Support',
      'Setting the interrupt table pointer also empties the interrupt entry cache.',
    ),
    ESRTPS: flag(
      63,
      'Enhanced Set Root Table Pointer Support',
      'Setting the root table pointer also empties all caches of DMA remapping.',
    ),
  },
});

export const ECAP_REG = defineRegister('ECAP_REG', {
  title: 'Extended Capability Register',
  offset: 0x10,
  bytes: 8,
  source: vtd('11.4.3'),
  fields: {
    C: flag(
      0,
      'Page-walk Coherency',
      'Reads of root, context, PASID and interrupt tables snoop CPU caches.',
    ),
    QI: flag(1, 'Queued Invalidation support', 'The invalidation queue exists.'),
    DT: flag(2, 'Device-TLB support', 'Endpoints may use ATS.'),
    IR: flag(3, 'Interrupt Remapping support', 'Interrupts can be remapped.'),
    EIM: flag(4, 'Extended Interrupt Mode', '32-bit x2APIC destinations.'),
    _r5: rsvdZ(5),
    PT: flag(6, 'Pass Through', 'Requests can be let through untranslated.'),
    SC: flag(7, 'Snoop Control', 'Software can force snooping of pages (SNP, PGSNP).'),
    IRO: bits(17, 8, 'IOTLB Register Offset', {
      access: 'RO',
      note: 'IVA_REG is at 16*IRO and IOTLB_REG eight bytes above.',
    }),
    _r18: rsvdZ(19, 18),
    MHMV: count(
      23,
      20,
      'Maximum Handle Mask Value',
      'Largest IM of an interrupt entry cache invalidation.',
    ),
    _r24: rsvdZ(24),
    MTS: flag(
      25,
      'Memory Type Support',
      'Memory types are honoured, and the MTRR registers exist.',
    ),
    NEST: flag(26, 'Nested Translation Support', 'First stage on top of second stage.'),
    _r27: rsvdZ(28, 27),
    PRS: flag(29, 'Page Request Support', 'The page request queue exists (PRI).'),
    ERS: flag(30, 'Execute Request Support', 'Withdrawn: units report 0.'),
    SRS: flag(31, 'Supervisor Request Support', 'Requests may ask for supervisor rights.'),
    _r32: rsvdZ(32),
    NWFS: flag(33, 'No Write Flag Support', 'A translation request can promise not to write.'),
    EAFS: flag(
      34,
      'Extended Accessed Flag Support',
      'First-stage entries can have an EA flag of their own.',
    ),
    PSS: count(39, 35, 'PASID Size Supported', 'PASIDs have PSS+1 bits.'),
    PASID: flag(40, 'Process Address Space ID Support', 'Requests may carry a PASID.'),
    DIT: flag(
      41,
      'Device-TLB Invalidation Throttle',
      'Invalidations name the physical function (PFSID).',
    ),
    PDS: flag(42, 'Page-request Drain Support', 'A wait descriptor can drain page requests.'),
    SMTS: flag(43, 'Scalable Mode Translation Support', 'Scalable-mode tables with PASIDs.'),
    VCS: flag(
      44,
      'Virtual Command Support',
      'The virtual command registers exist; emulated units only.',
    ),
    SSADS: flag(
      45,
      'Second-Stage Accessed/Dirty Support',
      'Accessed and dirty flags at the second stage.',
      ['SLADS'],
    ),
    SSTS: flag(
      46,
      'Second-Stage Translation Support',
      'Second-stage translation in scalable mode.',
      ['SLTS'],
    ),
    FSTS: flag(47, 'First-Stage Translation Support', 'First-stage translation in scalable mode.', [
      'FLTS',
    ]),
    SMPWCS: flag(
      48,
      'Scalable-Mode Page-walk Coherency Support',
      'Page walks can snoop CPU caches (PWSNP).',
      ['SMPWC'],
    ),
    RPS: flag(49, 'RID-PASID Support', 'The PASID for requests without one can be chosen.'),
    TDXCS: flag(50, 'TDX Connect Support', 'Trusted devices; not modelled.'),
    PMS: flag(
      51,
      'Performance Monitoring Support',
      'The performance monitoring registers exist; not modelled.',
    ),
    ADMS: flag(52, 'Abort DMA Mode Support', 'TTM=11b blocks all DMA.'),
    RPRIVS: flag(
      53,
      'RID-PRIV Support',
      'Requests without a PASID can be made supervisor requests.',
    ),
    _r54: rsvdZ(54),
    HPTS: flag(
      55,
      'Host Permission Table Support',
      'Translated requests can be checked against a table.',
    ),
    PTRS: flag(
      56,
      'PASID in Translated Requests Support',
      'Translated requests may carry a PASID.',
    ),
    SSIRWS: flag(
      57,
      'Second-Stage I/O Read/Write Support',
      'I/O rights of their own in second-stage entries.',
    ),
    SMS: flag(58, 'Stop Marker Support', 'Stop markers that find no room are dropped in silence.'),
    HPT1GPS: flag(
      59,
      'Host Permission Table 1-GByte Page Support',
      'Permissions for 1 GB at once.',
    ),
    RDTS: flag(60, 'Resource Director Technology Support', 'RDTC_REG exists; not modelled.'),
    EIMER: flag(
      61,
      'Extended Interrupt Mode Enable Required',
      'Interrupt remapping works with EIME=1 only.',
    ),
    IRREQ: flag(
      62,
      'Interrupt Remapping Required',
      'Interrupts are blocked until remapping is enabled.',
    ),
    _r63: rsvdZ(63),
  },
});
