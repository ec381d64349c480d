/** Trace events of VMX non-root operation: entries, exits, PASID translation, posted and virtual interrupts. */
import { EXIT_REASON_NAMES } from '../cpu/vm-exit.ts';
import { sdm } from '../source.ts';
import { defineEvent } from './event.ts';

export const VM_ENTERED = defineEvent('cpu.vm.entered', {
  title: 'VM entry',
  meaning: 'The CPU runs the guest from here on, until an exit.',
  source: sdm('volume 3, "VM Entries"'),
  fields: { vcpu: ['text', 'vCPU'] },
  template: 'Entered {vcpu}',
});

export const VM_ENTRY_FAILED = defineEvent('cpu.vm-entry.failed', {
  level: 'guest-error',
  title: 'VM entry refused',
  meaning: 'The control fields contradict each other, so the CPU stayed with the host.',
  source: sdm('volume 3, "Checks on VMX Controls"'),
  fields: { vcpu: ['text', 'vCPU'], problem: ['text', 'Problem'] },
  template: 'Entry of {vcpu} refused: {problem}',
  mark: 'warning',
});

export const VM_EXITED = defineEvent('cpu.vm.exited', {
  title: 'VM exit',
  meaning: 'The guest stopped and the VMM runs. A fast path is one that never gets here.',
  source: sdm('volume 3, "VM Exits"'),
  fields: {
    vcpu: ['text', 'vCPU'],
    reason: [{ names: EXIT_REASON_NAMES }, 'Reason'],
    qualification: ['u64', 'Qualification'],
  },
  template: 'Exit of {vcpu}: {reason}',
  mark: 'warning',
});

export const PASID_TRANSLATED = defineEvent('cpu.pasid.translated', {
  title: 'Guest PASID translated',
  meaning:
    'The CPU looked the guest PASID up in the VMM’s tables. The device sees the host PASID and never learns the other one.',
  source: sdm('volume 3, "PASID translation"'),
  fields: {
    guestPasid: ['pasid', 'Guest PASID'],
    hostPasid: ['pasid', 'Host PASID'],
    directoryEntry: ['u64', 'Address of the directory entry'],
    tableEntry: ['u64', 'Address of the table entry'],
  },
  template: 'Guest PASID {guestPasid} is host PASID {hostPasid}',
});

/** Why a guest PASID could not be translated. */
export const PASID_MISS_CAUSE = {
  directoryNotPresent: 0,
  directoryReserved: 1,
  tableNotValid: 2,
  tableReserved: 3,
} as const;
export type PasidMissCause = (typeof PASID_MISS_CAUSE)[keyof typeof PASID_MISS_CAUSE];

export const PASID_NOT_TRANSLATED = defineEvent('cpu.pasid.untranslated', {
  title: 'Guest PASID has no translation',
  meaning:
    'The enqueue exits to the VMM, which fills the entry or treats the PASID as a guest mistake.',
  source: sdm('volume 3, "PASID translation"'),
  fields: {
    guestPasid: ['pasid', 'Guest PASID'],
    cause: [
      {
        names: {
          0: 'directory entry not present',
          1: 'reserved bits in the directory entry',
          2: 'table entry not valid',
          3: 'reserved bits in the table entry',
        },
      },
      'Cause',
    ],
    entry: ['u64', 'Address of the entry'],
  },
  template: 'Guest PASID {guestPasid}: {cause}',
  mark: 'warning',
});

export const POSTED_INTERRUPTS_PROCESSED = defineEvent('cpu.posted-interrupt.processed', {
  title: 'Posted interrupts taken over',
  meaning:
    'The CPU cleared ON, moved the posted vectors from PIR into the virtual APIC and recognised the highest one, with no VM exit.',
  source: sdm('volume 3, "Posted-Interrupt Processing"'),
  fields: {
    vcpu: ['text', 'vCPU'],
    descriptor: ['u64', 'Descriptor'],
    vectors: ['number', 'Vectors moved'],
    rvi: ['hex', 'Highest requested vector'],
  },
  template: '{vectors} posted vectors to {vcpu}, highest {rvi}, no exit',
  mark: 'good',
});

export const VIRTUAL_INTERRUPT_DELIVERED = defineEvent('cpu.virtual-interrupt.delivered', {
  title: 'Virtual interrupt delivered',
  meaning:
    'The guest takes the vector through its own interrupt table: VIRR to VISR, with no VM exit.',
  source: sdm('volume 3, "Virtual-Interrupt Delivery"'),
  fields: { vcpu: ['text', 'vCPU'], vector: ['hex', 'Vector'] },
  template: '{vcpu} takes vector {vector}',
});

export const VIRTUAL_INTERRUPT_COMPLETED = defineEvent('cpu.virtual-interrupt.completed', {
  title: 'Virtual EOI',
  meaning:
    'The guest ended a virtual interrupt; only vectors in the EOI-exit bitmap involve the VMM.',
  source: sdm('volume 3, "EOI Virtualization"'),
  fields: { vcpu: ['text', 'vCPU'], vector: ['hex', 'Vector'], exits: ['flag', 'Exits'] },
  template: '{vcpu} ends vector {vector}',
});

export const VIRTUAL_INTERRUPT_REQUESTED = defineEvent('cpu.virtual-interrupt.requested', {
  title: 'Virtual interrupt requested',
  meaning: 'The VMM set a vector in the virtual APIC itself: this path has cost an exit or a kick.',
  source: sdm('volume 3, "Evaluation of Pending Virtual Interrupts"'),
  fields: { vcpu: ['text', 'vCPU'], vector: ['hex', 'Vector'] },
  template: 'VMM requests vector {vector} in {vcpu}',
});

export const VCPU_WOKEN = defineEvent('cpu.vcpu.woken', {
  title: 'Halted vCPU woken',
  meaning: 'A pending virtual interrupt ended the halt state of the guest.',
  source: sdm('volume 3, "Guest Non-Register State"'),
  fields: { vcpu: ['text', 'vCPU'] },
  template: '{vcpu} leaves the halt state',
});
