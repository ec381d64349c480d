/**
 * Fault reasons of interrupt remapping and posting. VT-d 5.10 section 5.1.4.1.
 *
 * The specification gives these conditions no names; `IR.xx` with the code is ours. A blocked interrupt behaves as an
 * unsupported request.
 */
import { vtd } from '../../source.ts';
import { faultReasons } from './fault-reason.ts';

const BLOCKED = 'UR - - - - - -';

export const INTERRUPT_FAULTS = faultReasons('interrupt', vtd('5.1.4.1'), {
  'IR.20': {
    code: 0x20,
    title: 'Reserved bits set in the interrupt request',
    explanation:
      'A remappable request has ones where its format demands zeros, such as data bits 31:16 with SHV=1.',
    usualCause: 'Plain MSI data programmed beside a remappable address.',
    isQualified: false,
    responses: BLOCKED,
    information: 'nothing',
  },
  'IR.21': {
    code: 0x21,
    title: 'Interrupt index beyond the table',
    explanation:
      'The index is not below the table size, or the entry would lie above the host address width.',
    usualCause:
      'Handle plus subhandle too large, or a device that writes more vectors than it was given.',
    isQualified: false,
    responses: BLOCKED,
    information: 'interrupt-index',
  },
  'IR.22': {
    code: 0x22,
    title: 'Interrupt remapping entry not present',
    explanation: 'The entry the request selects has P=0.',
    usualCause: 'The interrupt was freed while the device still sends it, or never set up.',
    isQualified: true,
    responses: BLOCKED,
    information: 'interrupt-index',
  },
  'IR.23': {
    code: 0x23,
    title: 'Interrupt remapping entry cannot be read',
    explanation: 'The memory read of the entry failed.',
    usualCause: 'IRTA_REG points outside memory.',
    isQualified: false,
    responses: BLOCKED,
    information: 'interrupt-index',
  },
  'IR.24': {
    code: 0x24,
    title: 'Reserved bits set in the interrupt remapping entry',
    explanation: 'The entry is present but has a reserved bit or a reserved field value.',
    usualCause:
      'Posted format without CAP_REG.PI, SVT=11b, or an xAPIC destination in the wrong byte.',
    isQualified: true,
    responses: BLOCKED,
    information: 'interrupt-index',
  },
  'IR.25': {
    code: 0x25,
    title: 'Compatibility-format interrupt blocked',
    explanation:
      'The request is not remappable, and such requests are refused while CFIS=0 or EIME=1.',
    usualCause: 'A device programmed with a plain MSI address after remapping was enabled.',
    isQualified: false,
    responses: BLOCKED,
    information: 'nothing',
  },
  'IR.26': {
    code: 0x26,
    title: 'Interrupt from the wrong requester',
    explanation: 'The requester ID does not match what the entry allows by SVT, SQ and SID.',
    usualCause: 'A device that uses the interrupt index of another one: a bug or an attack.',
    isQualified: true,
    responses: BLOCKED,
    information: 'interrupt-index',
  },
  'IR.27': {
    code: 0x27,
    title: 'Posted-interrupt descriptor cannot be read or updated',
    explanation: 'The atomic update of the 64-byte descriptor failed.',
    usualCause: 'PDAH:PDAL points outside memory.',
    isQualified: true,
    responses: BLOCKED,
    information: 'interrupt-index',
  },
  'IR.28': {
    code: 0x28,
    title: 'Reserved bits set in the posted-interrupt descriptor',
    explanation: 'The descriptor has ones where zeros are demanded, so nothing was posted.',
    usualCause: 'The entry names memory that is no descriptor.',
    isQualified: true,
    responses: BLOCKED,
    information: 'interrupt-index',
  },
  'IR.29': {
    code: 0x29,
    title: 'Request to the interrupt range that is no interrupt',
    explanation:
      'A read, an atomic or a write of another size than one dword went to FEE0_0000h-FEEF_FFFFh.',
    usualCause: 'A DMA buffer address that falls into the interrupt range.',
    isQualified: false,
    responses: BLOCKED,
    information: 'nothing',
  },
  'IR.2A': {
    code: 0x2a,
    title: 'Extended interrupt mode required',
    explanation:
      'The unit works with 32-bit destinations only (EIMER=1), but IRTA_REG was latched with EIME=0.',
    usualCause: 'The table was set up for xAPIC.',
    isQualified: false,
    responses: BLOCKED,
    information: 'nothing',
  },
  'IR.2B': {
    code: 0x2b,
    title: 'Interrupt while remapping is disabled',
    explanation:
      'The unit requires remapping (IRREQ=1) and blocks all interrupts until it is enabled.',
    usualCause: 'A device sends before the driver has set IRE.',
    isQualified: false,
    responses: BLOCKED,
    information: 'nothing',
  },
});
