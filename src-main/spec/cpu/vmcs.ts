/**
 * Fields of the virtual-machine control structure that interrupts, EPT and PASID translation depend on. Intel SDM volume 3,
 * "Virtual Machine Control Structures" and appendix B.
 *
 * Guest and host register state and MSR lists belong to the VMM layer and are not declared here.
 */
import { address, bit, bits, ignored } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { sdm } from '../source.ts';

export interface VmcsField {
  readonly name: string;
  readonly title: string;
  /** Operand of VMREAD and VMWRITE. */
  readonly encoding: number;
  readonly bits: 16 | 32 | 64;
}

export const VMCS_FIELD = {
  notificationVector: 0x0002,
  guestInterruptStatus: 0x0810,
  virtualApicAddress: 0x2012,
  postedInterruptDescriptorAddress: 0x2016,
  eptPointer: 0x201a,
  eoiExitBitmap0: 0x201c,
  eoiExitBitmap1: 0x201e,
  eoiExitBitmap2: 0x2020,
  eoiExitBitmap3: 0x2022,
  lowPasidDirectoryAddress: 0x2038,
  highPasidDirectoryAddress: 0x203a,
  pinBasedControls: 0x4000,
  primaryControls: 0x4002,
  exitControls: 0x400c,
  secondaryControls: 0x401e,
} as const;
export type VmcsFieldName = keyof typeof VMCS_FIELD;
export type VmcsEncoding = (typeof VMCS_FIELD)[VmcsFieldName];

export const VMCS_FIELDS: readonly VmcsField[] = [
  {
    name: 'notificationVector',
    title: 'Posted-interrupt notification vector',
    encoding: 0x0002,
    bits: 16,
  },
  {
    name: 'guestInterruptStatus',
    title: 'Guest interrupt status (RVI, SVI)',
    encoding: 0x0810,
    bits: 16,
  },
  { name: 'virtualApicAddress', title: 'Virtual-APIC address', encoding: 0x2012, bits: 64 },
  {
    name: 'postedInterruptDescriptorAddress',
    title: 'Posted-interrupt descriptor address',
    encoding: 0x2016,
    bits: 64,
  },
  { name: 'eptPointer', title: 'EPT pointer', encoding: 0x201a, bits: 64 },
  { name: 'eoiExitBitmap0', title: 'EOI-exit bitmap, vectors 0-63', encoding: 0x201c, bits: 64 },
  { name: 'eoiExitBitmap1', title: 'EOI-exit bitmap, vectors 64-127', encoding: 0x201e, bits: 64 },
  { name: 'eoiExitBitmap2', title: 'EOI-exit bitmap, vectors 128-191', encoding: 0x2020, bits: 64 },
  { name: 'eoiExitBitmap3', title: 'EOI-exit bitmap, vectors 192-255', encoding: 0x2022, bits: 64 },
  {
    name: 'lowPasidDirectoryAddress',
    title: 'Low PASID directory address',
    encoding: 0x2038,
    bits: 64,
  },
  {
    name: 'highPasidDirectoryAddress',
    title: 'High PASID directory address',
    encoding: 0x203a,
    bits: 64,
  },
  {
    name: 'pinBasedControls',
    title: 'Pin-based VM-execution controls',
    encoding: 0x4000,
    bits: 32,
  },
  {
    name: 'primaryControls',
    title: 'Primary processor-based controls',
    encoding: 0x4002,
    bits: 32,
  },
  { name: 'exitControls', title: 'VM-exit controls', encoding: 0x400c, bits: 32 },
  {
    name: 'secondaryControls',
    title: 'Secondary processor-based controls',
    encoding: 0x401e,
    bits: 32,
  },
];

export const PinBasedControls = defineStructure({
  name: 'PinBasedControls',
  title: 'Pin-based VM-execution controls',
  bytes: 4,
  source: sdm('volume 3, "Pin-Based VM-Execution Controls"'),
  note: 'Bits not named here are fixed or without effect in the model.',
  fields: {
    EXTERNAL_INTERRUPT_EXITING: bit(0, 'External-interrupt exiting', {
      note: 'Host interrupts end guest execution.',
    }),
    _i0: ignored(2, 1),
    NMI_EXITING: bit(3, 'NMI exiting', { note: 'NMIs end guest execution.' }),
    _i2: ignored(6, 4),
    PROCESS_POSTED_INTERRUPTS: bit(7, 'Process posted interrupts', {
      note: 'The notification vector makes the CPU fetch posted vectors instead of exiting.',
    }),
    _i1: ignored(31, 8),
  },
});

export const PrimaryControls = defineStructure({
  name: 'PrimaryControls',
  title: 'Primary processor-based VM-execution controls',
  bytes: 4,
  source: sdm('volume 3, "Processor-Based VM-Execution Controls"'),
  fields: {
    _i0: ignored(20, 0),
    USE_TPR_SHADOW: bit(21, 'Use TPR shadow'),
    _i1: ignored(30, 22),
    ACTIVATE_SECONDARY: bit(31, 'Activate secondary controls', {
      note: 'With 0 the secondary controls count as 0.',
    }),
  },
});

export const SecondaryControls = defineStructure({
  name: 'SecondaryControls',
  title: 'Secondary processor-based VM-execution controls',
  bytes: 4,
  source: sdm('volume 3, "Processor-Based VM-Execution Controls"'),
  fields: {
    _i0: ignored(0),
    ENABLE_EPT: bit(1, 'Enable EPT', {
      note: 'Guest-physical addresses go through the tables behind the EPT pointer.',
    }),
    _i3: ignored(8, 2),
    VIRTUAL_INTERRUPT_DELIVERY: bit(9, 'Virtual-interrupt delivery', {
      note: 'The CPU delivers vectors of the virtual APIC to the guest by itself.',
    }),
    _i1: ignored(20, 10),
    PASID_TRANSLATION: bit(21, 'PASID translation', {
      note: 'ENQCMD and ENQCMDS of the guest carry the host PASID, or exit.',
    }),
    _i2: ignored(31, 22),
  },
});

export const ExitControls = defineStructure({
  name: 'ExitControls',
  title: 'VM-exit controls',
  bytes: 4,
  source: sdm('volume 3, "VM-Exit Controls"'),
  fields: {
    _i0: ignored(14, 0),
    ACKNOWLEDGE_INTERRUPT: bit(15, 'Acknowledge interrupt on exit', {
      note: 'The CPU takes the vector out of the local APIC when it exits for an interrupt.',
    }),
    _i1: ignored(31, 16),
  },
});

export const GuestInterruptStatus = defineStructure({
  name: 'GuestInterruptStatus',
  title: 'Guest interrupt status',
  bytes: 4,
  source: sdm('volume 3, "Guest Non-Register State"'),
  note: 'A 16-bit field: what is requested and what is in service in the virtual APIC.',
  fields: {
    RVI: bits(7, 0, 'Requesting virtual interrupt', { note: 'Highest vector in VIRR.' }),
    SVI: bits(15, 8, 'Servicing virtual interrupt', { note: 'Highest vector in VISR.' }),
    _i0: ignored(31, 16),
  },
});

/** Physical addresses in 64-bit control fields. */
export const VmcsAddress = defineStructure({
  name: 'VmcsAddress',
  title: 'Physical address in a VMCS control field',
  bytes: 8,
  source: sdm('volume 3, "VM-Execution Control Fields"'),
  fields: {
    OFFSET: bits(11, 0, 'Offset in the page', { note: 'Zero where a 4 KB page is named.' }),
    PAGE: address(63, 12, 'Page address', { validBits: 'MAXPHYADDR' }),
  },
});
