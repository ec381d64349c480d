/**
 * Fault reasons of scalable-mode page walks, of addresses and of host permission tables. VT-d 5.10 section 7.1.3.
 *
 * In nested walks, second-stage problems on the way to a first-stage table use the second-stage reasons, except the missing
 * rights of SFS.6 to SFS.8. A page request never meets any of these.
 */
import { vtd } from '../../source.ts';
import { faultReasons } from './fault-reason.ts';

const RECOVERABLE = 'UR UR S0 S0 - - -';
const TABLE_ERROR = 'UR UR CA CA - - -';
const RIGHTS = 'UR UR Seff Seff - - -';
const TRANSLATED_UR = '- - - - UR UR -';
const TRANSLATED_CA = '- - - - CA CA -';

export const SCALABLE_PAGING_FAULTS = faultReasons('request', vtd('7.1.3'), {
  'SFS.1': {
    code: 0x70,
    title: 'First-stage entry cannot be read',
    explanation: 'The memory read of a first-stage entry below the top table failed.',
    usualCause: 'A table pointer names no memory.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SFS.2': {
    code: 0x71,
    title: 'First-stage entry not present',
    explanation: 'The walk met an entry with P=0: the page is not mapped in the process.',
    usualCause:
      'The page was never touched, was swapped out or unmapped; with PRI the device asks for it.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SFS.3': {
    code: 0x72,
    title: 'Reserved bits set in a first-stage entry',
    explanation: 'An entry with P=1 has ones where zeros are demanded.',
    usualCause: 'A misaligned large page, or an address beyond the host address width.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SFS.4': {
    code: 0x73,
    title: 'First first-stage table cannot be read',
    explanation: 'The memory read at FSPTPTR failed.',
    usualCause: 'FSPTPTR points outside memory, as when the process is gone.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SFS.5': {
    code: 0x74,
    title: 'Guest address in a first-stage entry beyond the second-stage width',
    explanation:
      'In nested translation the entry holds a guest physical address that cannot be translated.',
    usualCause: 'The guest mapped an address beyond its memory width.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SFS.6': {
    code: 0x75,
    title: 'No second-stage read right for the first first-stage table',
    explanation: 'The second stage does not let the walk read the guest table FSPTPTR names.',
    usualCause: 'The hypervisor mapped that guest page for writing only.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SFS.7': {
    code: 0x76,
    title: 'No second-stage read right for a first-stage table',
    explanation: 'The second stage does not let the walk read a lower guest table.',
    usualCause: 'The hypervisor mapped that guest page for writing only.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SFS.8': {
    code: 0x77,
    title: 'No second-stage write right for a flag update',
    explanation:
      'An accessed or dirty flag must be set in a guest table that the second stage protects.',
    usualCause: 'Guest tables in pages the hypervisor mapped read-only.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SFS.9': {
    code: 0x90,
    title: 'First-stage flag update needed on a non-snooped walk',
    explanation: 'Flags can be set safely only by a walk that snoops CPU caches, and PWSNP is 0.',
    usualCause: 'PWSNP forgotten, or accessed and dirty flags not preset on a unit without SMPWCS.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SFS.10': {
    code: 0x91,
    title: 'First-stage flag update failed',
    explanation: 'The atomic update of an accessed or dirty flag did not succeed.',
    usualCause: 'The table lies in memory that takes no atomic operations.',
    isQualified: true,
    responses: RECOVERABLE,
    isRecordedOnSuccess: true,
  },
  'SSS.1': {
    code: 0x78,
    title: 'Second-stage entry cannot be read',
    explanation: 'The memory read of a second-stage entry below the top table failed.',
    usualCause: 'A table pointer names no memory.',
    isQualified: true,
    responses: TABLE_ERROR,
  },
  'SSS.2': {
    code: 0x79,
    title: 'Second-stage entry not present',
    explanation:
      'An entry grants neither read nor write, or nothing is left of both after combining the levels.',
    usualCause: 'The IOVA or guest physical address is not mapped, or no longer.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SSS.3': {
    code: 0x7a,
    title: 'Reserved bits set in a second-stage entry',
    explanation: 'An entry that grants rights has ones where zeros are demanded.',
    usualCause:
      'Large-page bit at a size the unit lacks, SNP without snoop control, or a misaligned large page.',
    isQualified: true,
    responses: TABLE_ERROR,
  },
  'SSS.4': {
    code: 0x7b,
    title: 'First second-stage table cannot be read',
    explanation: 'The memory read at SSPTPTR failed.',
    usualCause: 'SSPTPTR points outside memory.',
    isQualified: true,
    responses: TABLE_ERROR,
  },
  'SSS.5': {
    code: 0x7c,
    title: 'Second-stage flag update needed on a non-snooped walk',
    explanation: 'Flags can be set safely only by a walk that snoops CPU caches, and PWSNP is 0.',
    usualCause: 'SSADE=1 without PWSNP=1.',
    isQualified: true,
    responses: TABLE_ERROR,
  },
  'SSS.6': {
    code: 0x7d,
    title: 'Second-stage flag update failed',
    explanation: 'The atomic update of an accessed or dirty flag did not succeed.',
    usualCause: 'The table lies in memory that takes no atomic operations.',
    isQualified: true,
    responses: TABLE_ERROR,
  },
  'SGN.1': {
    code: 0x80,
    title: 'Address not canonical',
    explanation:
      'The upper bits of a first-stage input address must all equal its top translated bit.',
    usualCause: 'A corrupt pointer, or a 57-bit address with 4-level tables.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SGN.2': {
    code: 0x81,
    title: 'User request to a supervisor page',
    explanation: 'A request without supervisor rights met an entry with U/S=0.',
    usualCause: 'A kernel address in a user descriptor.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SGN.4.1': {
    code: 0x83,
    title: 'Translated address beyond the host address width',
    explanation: 'A request marked as translated carries an address no memory can have.',
    usualCause: 'The endpoint invents addresses or its device TLB is corrupt.',
    isQualified: true,
    responses: TRANSLATED_UR,
  },
  'SGN.4.2': {
    code: 0x83,
    title: 'Pass-through address beyond the host address width',
    explanation:
      'With pass-through the input address is the host address, and this one exceeds it.',
    usualCause: 'A virtual address given to a PASID that is not translated.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SGN.5': {
    code: 0x84,
    title: 'Input address beyond the second-stage width',
    explanation: 'The address has bits above what the second-stage tables can translate.',
    usualCause: 'AW is smaller than the addresses handed to the device.',
    isQualified: true,
    responses: RECOVERABLE,
  },
  'SGN.6': {
    code: 0x85,
    title: 'No write permission',
    explanation: 'A write or an atomic met a path that does not allow writing.',
    usualCause: 'A read-only or copy-on-write page used as destination.',
    isQualified: true,
    responses: RIGHTS,
  },
  'SGN.7': {
    code: 0x86,
    title: 'No read permission',
    explanation: 'A read met a second-stage path that does not allow reading.',
    usualCause: 'A page mapped for device writes only used as source.',
    isQualified: true,
    responses: RIGHTS,
  },
  'SGN.8.1': {
    code: 0x87,
    title: 'Output address in the interrupt range',
    explanation:
      'The page tables lead to FEE0_0000h-FEEF_FFFFh, where a write would be an interrupt.',
    usualCause: 'A mapping that covers the local APIC range.',
    isQualified: true,
    responses: 'UR UR - - - - -',
  },
  'SGN.8.2': {
    code: 0x87,
    title: 'Translation result overlaps the interrupt range',
    explanation:
      'The page to be returned touches FEE0_0000h-FEEF_FFFFh, which a device TLB must not hold.',
    usualCause: 'A large page that covers the local APIC range.',
    isQualified: true,
    responses: '- - CA CA - - -',
  },
  'SGN.8.3': {
    code: 0x87,
    title: 'Translated request to the interrupt range',
    explanation:
      'A translated request names FEE0_0000h-FEEF_FFFFh: an interrupt that would escape remapping.',
    usualCause: 'An attack or a broken device TLB.',
    isQualified: true,
    responses: TRANSLATED_UR,
  },
  'SGN.10': {
    code: 0x89,
    title: 'PASID wider than the unit supports',
    explanation: 'The PASID does not fit in the width ECAP_REG.PSS reports.',
    usualCause: 'The endpoint was given a PASID wider than the unit allows.',
    isQualified: true,
    responses: '- UR - UR - UR -',
  },
  'HPT.1': {
    code: 0xa0,
    title: 'Host permission entry cannot be read',
    explanation: 'The memory read of a lower host permission table failed.',
    usualCause: 'A table pointer names no memory.',
    isQualified: true,
    responses: TRANSLATED_CA,
  },
  'HPT.2': {
    code: 0xa1,
    title: 'Reserved bits set in a host permission entry',
    explanation: 'A host permission entry has ones where zeros are demanded.',
    usualCause: 'The table was not cleared.',
    isQualified: true,
    responses: TRANSLATED_CA,
  },
  'HPT.3': {
    code: 0xa2,
    title: 'First host permission table cannot be read',
    explanation: 'The memory read at HPTPTR failed.',
    usualCause: 'HPTPTR points outside memory.',
    isQualified: true,
    responses: TRANSLATED_CA,
  },
  'HPT.4': {
    code: 0xa3,
    title: 'No host permission for the page',
    explanation: 'A zero-length read names a page for which the table holds no permission at all.',
    usualCause: 'A translated address that the device was never given.',
    isQualified: true,
    responses: TRANSLATED_UR,
  },
  'HPT.5': {
    code: 0xa4,
    title: 'No host permission to write',
    explanation: 'The table lets the device read the page but not write it.',
    usualCause: 'The device kept a writable translation after the right was withdrawn.',
    isQualified: true,
    responses: TRANSLATED_UR,
  },
  'HPT.6': {
    code: 0xa5,
    title: 'No host permission to read',
    explanation: 'The table lets the device write the page but not read it.',
    usualCause: 'The device kept a readable translation after the right was withdrawn.',
    isQualified: true,
    responses: TRANSLATED_UR,
  },
});
