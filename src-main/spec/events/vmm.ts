/**
 * What the VMM (KVM and the QEMU-like process) writes into the event log: memory slots, handled exits, interrupts on their
 * way into a guest, PASID translation entries. The emitter is `vmm/`; the source of a record is the VM's name.
 *
 * Exits themselves are recorded by the CPU (`cpu.vm.exited`); these records say what the VMM did about them, and for which
 * virtual device.
 */
import { EXIT_REASON_NAMES } from '../cpu/vm-exit.ts';
import { linux, sdm, vtd } from '../source.ts';
import { defineEvent } from './event.ts';

export const VM_CREATED = defineEvent('vmm.vm.created', {
  title: 'VM created',
  meaning: 'KVM made an address space and virtual CPUs; the guest has run nothing yet.',
  source: linux('virt/kvm/kvm_main.c'),
  fields: {
    memory: ['number', 'Bytes of guest memory'],
    vcpus: ['number', 'Virtual CPUs'],
    eptPointer: ['u64', 'EPT pointer'],
  },
  template: 'VM with {vcpus} vCPUs and {memory} bytes',
});

export const SLOT_SET = defineEvent('vmm.slot.set', {
  title: 'Memory slot set',
  meaning:
    'Guest-physical addresses got memory of the VMM process, or a page of a device, behind them: accesses there do not exit.',
  source: linux('virt/kvm/kvm_main.c'),
  fields: {
    slot: ['number', 'Slot'],
    gpa: ['u64', 'Guest-physical address'],
    bytes: ['number', 'Bytes'],
    hva: ['u64', 'Address in the VMM process'],
    name: ['text', 'What it is'],
  },
  template: 'Slot {slot}: {name} at {gpa}',
});

export const SLOT_REMOVED = defineEvent('vmm.slot.removed', {
  title: 'Memory slot removed',
  meaning: 'The addresses trap again, or have nothing behind them.',
  source: linux('virt/kvm/kvm_main.c'),
  fields: {
    slot: ['number', 'Slot'],
    gpa: ['u64', 'Guest-physical address'],
    name: ['text', 'What it was'],
  },
  template: 'Slot {slot} of {name} is gone',
});

export const SLOT_ZAPPED = defineEvent('vmm.slot.zapped', {
  title: 'Page of a memory slot taken away',
  meaning:
    'The VMM process lost its mapping of pages behind a slot, so KVM dropped its own of them (mmu_notifier): the slot stays, and the next access exits.',
  source: linux('virt/kvm/kvm_main.c'),
  fields: {
    slot: ['number', 'Slot'],
    gpa: ['u64', 'Guest-physical address'],
    bytes: ['number', 'Bytes'],
    name: ['text', 'What it is'],
  },
  template: 'Slot {slot}: {name} is no longer mapped',
});

export const SLOT_FAULTED = defineEvent('vmm.slot.faulted', {
  title: 'Page of a memory slot brought back',
  meaning:
    'The guest touched a page of a slot that KVM had no mapping of, and the VMM process has one: one exit, and no more after it.',
  source: linux('arch/x86/kvm/mmu/mmu.c'),
  fields: {
    slot: ['number', 'Slot'],
    gpa: ['u64', 'Guest-physical address'],
    bytes: ['number', 'Bytes'],
    name: ['text', 'What it is'],
  },
  template: 'Slot {slot}: {name} is mapped again',
});

export const ACCESS_TRAPPED = defineEvent('vmm.access.trapped', {
  title: 'Access trapped',
  meaning:
    'The guest touched something that the VMM emulates. Every such access costs an exit, which is why fast paths avoid it.',
  source: sdm('volume 3, "VM Exits"'),
  fields: {
    device: ['text', 'Virtual device'],
    region: ['text', 'Where'],
    offset: ['hex', 'Offset'],
    bytes: ['number', 'Bytes'],
    isWrite: ['flag', 'Write'],
    value: ['u64', 'Value'],
    reason: [{ names: EXIT_REASON_NAMES }, 'Exit'],
  },
  template: '{device} {region}+{offset}: trapped, {reason}',
});

export const ACCESS_UNASSIGNED = defineEvent('vmm.access.unassigned', {
  level: 'guest-error',
  title: 'Nothing at this guest-physical address',
  meaning: 'Reads give all ones and writes are dropped, as on a board without a device there.',
  source: sdm('volume 3, "EPT Violations"'),
  fields: { gpa: ['u64', 'Guest-physical address'], isWrite: ['flag', 'Write'] },
  template: 'No device and no memory at {gpa}',
});

export const IRQFD_ASSIGNED = defineEvent('vmm.irqfd.assigned', {
  title: 'irqfd assigned',
  meaning: 'Signals of this eventfd become interrupts of the guest, without user space in between.',
  source: linux('virt/kvm/eventfd.c'),
  fields: {
    eventfd: ['text', 'Eventfd'],
    vcpu: ['number', 'vCPU'],
    vector: ['hex', 'Vector'],
  },
  template: '{eventfd} raises vector {vector} of vCPU {vcpu}',
});

export const IRQFD_REMOVED = defineEvent('vmm.irqfd.removed', {
  title: 'irqfd removed',
  meaning: 'The eventfd no longer reaches the guest.',
  source: linux('virt/kvm/eventfd.c'),
  fields: { eventfd: ['text', 'Eventfd'] },
  template: '{eventfd} no longer interrupts the guest',
});

export const BYPASS_CHANGED = defineEvent('vmm.bypass.changed', {
  title: 'Interrupt bypass changed',
  meaning:
    'With the bypass the device posts to the virtual CPU and the host has no part in it; without, its handler runs first.',
  source: linux('arch/x86/kvm/vmx/posted_intr.c'),
  fields: {
    irq: ['number', 'Host interrupt'],
    isPosted: ['flag', 'Posted'],
    vector: ['hex', 'Guest vector'],
    descriptor: ['u64', 'Posted-interrupt descriptor'],
  },
  template: 'Host interrupt {irq}: posted {isPosted}',
});

/** How a vector got into a guest from the host's side. */
export const INJECTION = { posted: 0, kicked: 1, pending: 2 } as const;
export type Injection = (typeof INJECTION)[keyof typeof INJECTION];

export const INTERRUPT_INJECTED = defineEvent('vmm.interrupt.injected', {
  title: 'Interrupt injected',
  meaning:
    'KVM put a vector into a virtual CPU: through its descriptor and a notification, by an exit, or for its next entry.',
  source: linux('arch/x86/kvm/lapic.c'),
  fields: {
    vcpu: ['text', 'vCPU'],
    vector: ['hex', 'Vector'],
    how: [{ names: { 0: 'notification', 1: 'kick', 2: 'next entry' } }, 'How'],
  },
  template: 'Vector {vector} to {vcpu}: {how}',
});

export const VECTOR_MASKED = defineEvent('vmm.msix-vector.held', {
  title: 'Interrupt of a masked vector',
  meaning: 'The vector is masked in the virtual MSI-X table: its pending bit is set instead.',
  source: linux('drivers/vfio/pci'),
  fields: { device: ['text', 'Virtual device'], vector: ['number', 'MSI-X vector'] },
  template: '{device}: MSI-X vector {vector} is pending',
});

export const PASID_ENTRY_SET = defineEvent('vmm.pasid.set', {
  title: 'PASID translation entry written',
  meaning:
    'From here on ENQCMD of this VM with the guest PASID reaches the device with the host PASID, without an exit.',
  source: sdm('volume 3, "PASID translation"'),
  fields: {
    guestPasid: ['pasid', 'Guest PASID'],
    hostPasid: ['pasid', 'Host PASID, -1 when cleared'],
    address: ['u64', 'Address of the entry'],
  },
  template: 'Guest PASID {guestPasid} is host PASID {hostPasid}',
});

export const PASID_MISS_HANDLED = defineEvent('vmm.pasid.missed', {
  title: 'Unknown guest PASID',
  meaning:
    'The enqueue exited because the guest PASID has no entry: it is filled and the instruction repeated, or the guest gets #GP.',
  source: sdm('volume 3, "PASID translation"'),
  fields: {
    guestPasid: ['pasid', 'Guest PASID'],
    isFilled: ['flag', 'Filled'],
  },
  template: 'Miss of guest PASID {guestPasid}, filled {isFilled}',
});

export const VIOMMU_DESCRIPTOR = defineEvent('vmm.viommu.descriptor-trapped', {
  title: 'Guest invalidation carried out',
  meaning:
    'The VMM read a descriptor of the guest’s invalidation queue; what it means for the host follows before the next one.',
  source: vtd('6.5.2'),
  fields: { type: ['number', 'Type'], title: ['text', 'Descriptor'] },
  template: 'Virtual unit: {title}',
});

export const VIOMMU_PASID_BOUND = defineEvent('vmm.viommu.pasid-changed', {
  title: 'Guest PASID entry followed',
  meaning:
    'The guest’s entry of a PASID came, changed or went; the host nests its first-stage table on the VM’s second stage, or stops.',
  source: vtd('9.6'),
  fields: {
    device: ['text', 'Virtual device'],
    pasid: ['pasid', 'Guest PASID'],
    root: ['u64', 'First-stage table, guest-physical'],
    isBound: ['flag', 'Bound'],
  },
  template: '{device} PASID {pasid}: table at {root}, bound {isBound}',
});

/** Fault reason of what is no fault of the guest. */
export const NO_REASON = 0;

export const VIOMMU_FUNCTION_BLOCKED = defineEvent('vmm.viommu.function-blocked', {
  title: 'Guest function blocked',
  meaning:
    'The guest’s tables have no valid entry for requests of this function without a PASID, so its unit would refuse them: the host refuses them too.',
  source: vtd('7.1.3'),
  fields: {
    device: ['text', 'Virtual device'],
    reason: ['hex', 'Fault reason in the guest’s unit, 0 without'],
    title: ['text', 'What its requests meet'],
    isBlocked: ['flag', 'Blocked'],
  },
  template: '{device}: requests without a PASID meet {title} ({reason}), blocked {isBlocked}',
});

export const VIOMMU_FAULT = defineEvent('vmm.viommu.fault-recorded', {
  level: 'guest-error',
  title: 'Fault recorded for the guest',
  meaning:
    'The guest’s own tables refused a request of its device: its unit records it with the guest’s numbers and raises the guest’s fault event.',
  source: vtd('7.2.1'),
  fields: {
    index: ['number', 'Recording register'],
    reason: ['hex', 'Fault reason'],
    rid: ['rid', 'Requester on the guest’s bus'],
    pasid: ['pasid', 'Guest PASID'],
    address: ['u64', 'Address'],
    title: ['text', 'What it means'],
  },
  template: 'Virtual unit: {rid} PASID {pasid} at {address}, {title} ({reason})',
});

export const VIOMMU_FAULT_LOST = defineEvent('vmm.viommu.fault-lost', {
  level: 'guest-error',
  title: 'Fault lost in the guest’s unit',
  meaning:
    'Every recording register of the virtual unit was in use: its overflow bit is set, and nobody else notices.',
  source: vtd('7.2.1'),
  fields: {
    reason: ['hex', 'Fault reason'],
    rid: ['rid', 'Requester on the guest’s bus'],
  },
  template: 'Virtual unit: a fault of {rid} was lost ({reason})',
});

export const VIOMMU_PAGE_RESPONSE = defineEvent('vmm.viommu.page-response', {
  title: 'Page request of a guest’s device answered',
  meaning:
    'The VMM hands an answer to the host’s kernel: the guest’s own, or one in its place where the guest cannot or may not answer.',
  source: vtd('7.6.1'),
  fields: {
    device: ['text', 'Virtual device'],
    pasid: ['pasid', 'Guest PASID'],
    group: ['number', 'Page request group index'],
    code: [{ names: { 0: 'success', 1: 'invalid', 15: 'failure' } }, 'Response'],
    by: ['text', 'Who decided'],
  },
  template: '{device} PASID {pasid}: group {group} gets {code} from {by}',
});

export const VIOMMU_PAGE_REQUEST = defineEvent('vmm.viommu.page-request', {
  title: 'Page request given to the guest',
  meaning:
    'A page that the guest’s process has not touched is missing; the guest’s kernel brings it in and answers in its own queue.',
  source: vtd('7.4'),
  fields: {
    device: ['text', 'Virtual device'],
    pasid: ['pasid', 'Guest PASID'],
    address: ['u64', 'Page'],
    group: ['number', 'Page request group index'],
  },
  template: '{device} PASID {pasid}: page {address} is missing',
});
