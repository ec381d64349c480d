/**
 * Model-specific registers of a logical CPU as far as Scalable IOV, SVA and interrupts need them. Intel SDM volume 4, and
 * volume 3 "Extended XAPIC (x2APIC)" for the x2APIC range. Every other index raises #GP, as an MSR that a part does not have.
 */
import { address, bit, bits, reserved } from '../../bits/field.ts';
import { defineStructure, type Structure } from '../../bits/structure.ts';
import { sdm } from '../source.ts';

export const Ia32ApicBase = defineStructure({
  name: 'IA32_APIC_BASE',
  title: 'Local APIC Base Address and Mode',
  bytes: 8,
  source: sdm('volume 3, "Detecting and Enabling x2APIC Mode"'),
  note: 'Chooses between no local APIC, xAPIC and x2APIC mode.',
  fields: {
    _r0: reserved(7, 0),
    BSP: bit(8, 'Bootstrap processor', { access: 'RO' }),
    _r1: reserved(9),
    EXTD: bit(10, 'x2APIC mode enable', {
      note: 'Registers become MSRs 800h-83Fh and identifiers grow to 32 bits. Needs EN=1.',
    }),
    EN: bit(11, 'xAPIC global enable', { note: '0: the CPU takes no interrupt messages.' }),
    BASE: address(63, 12, 'Base of the xAPIC registers', { validBits: 'MAXPHYADDR' }),
  },
});

export const Ia32Pasid = defineStructure({
  name: 'IA32_PASID',
  title: 'Process Address Space ID of the running thread',
  bytes: 8,
  source: sdm('volume 2, ENQCMD'),
  note: 'ENQCMD puts this PASID into the command, so a thread cannot name the address space of another.',
  fields: {
    PASID: bits(19, 0, 'PASID', { note: 'What ENQCMD writes into bits 19:0 of the command.' }),
    _r0: reserved(30, 20),
    V: bit(31, 'Valid', { note: 'With 0, ENQCMD raises #GP: the kernel fills the register then.' }),
    _r1: reserved(63, 32),
  },
});

export const Ia32Efer = defineStructure({
  name: 'IA32_EFER',
  title: 'Extended Feature Enables',
  bytes: 8,
  source: sdm('volume 4, "Architectural MSRs"'),
  fields: {
    SCE: bit(0, 'SYSCALL enable'),
    _r0: reserved(7, 1),
    LME: bit(8, 'IA-32e mode enable'),
    _r1: reserved(9),
    LMA: bit(10, 'IA-32e mode active', { access: 'RO' }),
    NXE: bit(11, 'Execute-disable bit enable', {
      note: 'Without it, XD in paging entries is reserved.',
    }),
    _r2: reserved(63, 12),
  },
});

export interface MsrDeclaration {
  readonly index: number;
  readonly layout: Structure;
}

export const MSR_INDEX = {
  IA32_APIC_BASE: 0x1b,
  IA32_PASID: 0xd93,
  IA32_EFER: 0xc000_0080,
} as const;

/** x2APIC registers: MSR 800h + offset/16 of the register in the xAPIC page. */
export const X2APIC_MSR_FIRST = 0x800;
export const X2APIC_MSR_LAST = 0x8ff;

export const MSRS: readonly MsrDeclaration[] = [
  { index: MSR_INDEX.IA32_APIC_BASE, layout: Ia32ApicBase as unknown as Structure },
  { index: MSR_INDEX.IA32_PASID, layout: Ia32Pasid as unknown as Structure },
  { index: MSR_INDEX.IA32_EFER, layout: Ia32Efer as unknown as Structure },
];
