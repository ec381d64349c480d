/**
 * Fault reasons of legacy mode (TTM=00b). VT-d 5.10 section 7.1.3.
 *
 * There is no "entry not present" reason for second-stage tables here: missing rights are reported by LGN.2 and LGN.3.
 */
import { vtd } from '../../source.ts';
import { faultReasons } from './fault-reason.ts';

/** A table could not be read, holds reserved bits or is misprogrammed: translation requests end with Completer Abort. */
const TABLE_ERROR = 'UR - CA - UR - -';
const NOT_PRESENT = 'UR - UR - UR - -';

export const LEGACY_FAULTS = faultReasons('request', vtd('7.1.3'), {
  'LRT.1': {
    code: 0x08,
    title: 'Root table entry cannot be read',
    explanation:
      'The memory read of the root entry failed, so the IOMMU knows nothing about the bus.',
    usualCause: 'RTADDR_REG points outside memory.',
    isQualified: false,
    responses: TABLE_ERROR,
  },
  'LRT.2': {
    code: 0x01,
    title: 'Root table entry not present',
    explanation: 'No context table is set up for the bus of the requester.',
    usualCause: 'The driver has not yet initialised any function on that bus, or the RID is wrong.',
    isQualified: false,
    responses: NOT_PRESENT,
  },
  'LRT.3': {
    code: 0x0a,
    title: 'Reserved bits set in the root table entry',
    explanation: 'A root entry marked present has ones where the layout demands zeros.',
    usualCause: 'The table was not cleared, or its address exceeds the host address width.',
    isQualified: false,
    responses: TABLE_ERROR,
  },
  'LCT.1': {
    code: 0x09,
    title: 'Context entry cannot be read',
    explanation: 'The memory read of the context entry failed.',
    usualCause: 'The context table pointer in the root entry names no memory.',
    isQualified: false,
    responses: TABLE_ERROR,
  },
  'LCT.2': {
    code: 0x02,
    title: 'Context entry not present',
    explanation: 'The function has no translation set up.',
    usualCause:
      'DMA from a function that no driver has mapped anything for, or one already detached.',
    isQualified: true,
    responses: NOT_PRESENT,
  },
  'LCT.3': {
    code: 0x0b,
    title: 'Reserved bits set in the context entry',
    explanation: 'A context entry marked present has ones where the layout demands zeros.',
    usualCause:
      'A scalable-mode entry read in legacy mode, or a domain wider than CAP_REG.ND reports.',
    isQualified: true,
    responses: TABLE_ERROR,
  },
  'LCT.4.1': {
    code: 0x03,
    title: 'Address width not supported in the context entry',
    explanation: 'AW asks for a number of levels that CAP_REG.SAGAW does not report.',
    usualCause: 'AW left at 0, or chosen without reading SAGAW.',
    isQualified: true,
    responses: TABLE_ERROR,
  },
  'LCT.4.2': {
    code: 0x03,
    title: 'Translation type not supported in the context entry',
    explanation: 'TT holds the reserved value or one whose capability is absent.',
    usualCause: 'Pass-through without ECAP_REG.PT, or ATS without ECAP_REG.DT.',
    isQualified: true,
    responses: TABLE_ERROR,
  },
  'LCT.4.3': {
    code: 0x03,
    title: 'First second-stage table cannot be read',
    explanation: 'The memory read at the table the context entry names failed.',
    usualCause: 'SSPTPTR points outside memory.',
    isQualified: true,
    responses: 'UR - CA - - - -',
  },
  'LCT.5': {
    code: 0x0d,
    title: 'Translation type forbids ATS requests',
    explanation:
      'The function sent a translation or a translated request, but its TT allows untranslated ones only.',
    usualCause: 'ATS is enabled in the endpoint while the context entry has TT=00b or 10b.',
    isQualified: true,
    responses: '- - UR - UR - -',
  },
  'LSS.1': {
    code: 0x07,
    title: 'Second-stage entry cannot be read',
    explanation: 'The memory read of a paging entry below the first table failed.',
    usualCause: 'A table pointer names no memory.',
    isQualified: true,
    responses: 'UR - CA - - - -',
  },
  'LSS.2': {
    code: 0x0c,
    title: 'Reserved bits set in a second-stage entry',
    explanation: 'A paging entry that grants rights has ones where the layout demands zeros.',
    usualCause:
      'Large-page bit at a size the unit lacks, SNP without snoop control, or a misaligned large page.',
    isQualified: true,
    responses: 'UR - CA - - - -',
  },
  'LGN.1.1': {
    code: 0x04,
    title: 'Input address beyond the address width',
    explanation: 'The address has bits above what the tables can translate.',
    usualCause: 'AW is smaller than the addresses handed to the device.',
    isQualified: true,
    responses: 'UR - S0 - - - -',
  },
  'LGN.1.2': {
    code: 0x04,
    title: 'Translated address beyond the host address width',
    explanation: 'A request marked as translated carries an address no memory can have.',
    usualCause: 'The endpoint invents addresses or its device TLB is corrupt.',
    isQualified: true,
    responses: '- - - - UR - -',
  },
  'LGN.1.3': {
    code: 0x04,
    title: 'Pass-through address beyond the host address width',
    explanation:
      'With pass-through the input address is the host address, and this one exceeds it.',
    usualCause: 'The device was given a virtual address although it runs untranslated.',
    isQualified: true,
    responses: 'UR - - - - - -',
  },
  'LGN.2': {
    code: 0x05,
    title: 'No write permission',
    explanation: 'A write met a path in which some entry has W=0, an absent mapping included.',
    usualCause: 'The buffer is not mapped, was unmapped too early, or is mapped for reading only.',
    isQualified: true,
    responses: 'UR - Seff - - - -',
  },
  'LGN.3': {
    code: 0x06,
    title: 'No read permission',
    explanation: 'A read met a path in which some entry has R=0, an absent mapping included.',
    usualCause: 'The buffer is not mapped, was unmapped too early, or is mapped for writing only.',
    isQualified: true,
    responses: 'UR - Seff - - - -',
  },
  'LGN.4': {
    code: 0x0e,
    title: 'Output address in the interrupt range',
    explanation:
      'The page tables lead to FEE0_0000h-FEEF_FFFFh, where a write would be an interrupt.',
    usualCause: 'A mapping that covers the local APIC range.',
    isQualified: true,
    responses: 'UR - CA - UR - -',
  },
});
