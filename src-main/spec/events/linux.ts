/**
 * What the Linux-like software stack writes into the event log: calls, table entries it changed, invalidations it asked
 * for, files, callbacks, interrupts. The emitter is `linux/`; the source of a record is the kernel instance (`linux` for
 * the host, the VM's name for a guest).
 *
 * A table entry is recorded one aligned 64-bit word at a time, with address, old and new value: that is the write which
 * "Why?" finds behind a walk step.
 */
import { linux, vtd } from '../source.ts';
import { defineEvent } from './event.ts';

// ---- calls -----------------------------------------------------------------------------------------------------------

export const CALL_ENTERED = defineEvent('linux.call.entered', {
  level: 'debug',
  title: 'Kernel call entered',
  meaning: 'A call that may change something begins; what follows until its return is its doing.',
  source: linux('include/linux/export.h'),
  fields: { call: ['text', 'Function'], args: ['text', 'Arguments'] },
  template: '{call}({args})',
});

export const CALL_RETURNED = defineEvent('linux.call.returned', {
  title: 'Kernel call',
  meaning:
    'One call of a kernel function with its arguments and what it returned; negative numbers are errors.',
  source: linux('include/linux/export.h'),
  fields: {
    call: ['text', 'Function'],
    args: ['text', 'Arguments'],
    result: ['text', 'Returned'],
    code: ['number', 'Return code, 0 when the function returns no number'],
    entered: ['seq', 'Where the call began, -1 for a call that only reads'],
  },
  template: '{call}({args}) = {result}',
});

export const CALLBACK_CALLED = defineEvent('linux.callback.called', {
  title: 'Driver callback',
  meaning:
    'The core calls an operation that a driver registered; the order of these is the contract.',
  source: linux('include/linux/vfio.h'),
  fields: {
    owner: ['text', 'Operation table'],
    callback: ['text', 'Operation'],
    object: ['text', 'Called for'],
  },
  template: '{owner}->{callback}({object})',
});

export const CALLBACK_RETURNED = defineEvent('linux.callback.returned', {
  level: 'debug',
  title: 'Driver callback returned',
  meaning: 'What the operation answered.',
  source: linux('include/linux/vfio.h'),
  fields: {
    owner: ['text', 'Operation table'],
    callback: ['text', 'Operation'],
    result: ['text', 'Returned'],
    code: ['number', 'Return code'],
  },
  template: '{owner}->{callback} = {result}',
});

export const WARNING_PRINTED = defineEvent('linux.warning.printed', {
  title: 'Kernel warning',
  meaning: 'A line of the kernel log that tells of a mistake or of trouble.',
  source: linux('include/linux/printk.h'),
  fields: { text: ['text', 'Message'] },
  template: '{text}',
  mark: 'warning',
});

// ---- tables ----------------------------------------------------------------------------------------------------------

export const ROOT_ENTRY_WRITTEN = defineEvent('linux.root-entry.written', {
  title: 'Root entry written',
  meaning: 'Software gave a bus its context tables.',
  source: vtd('9.2'),
  fields: {
    bus: ['hex', 'Bus'],
    address: ['hex', 'Address'],
    old: ['u64', 'Old value'],
    new: ['u64', 'New value'],
  },
  template: 'root entry of bus {bus} at {address}: {old} to {new}',
});

export const CONTEXT_ENTRY_WRITTEN = defineEvent('linux.context-entry.written', {
  title: 'Context entry written',
  meaning: 'Software changed what a function may send and where its PASIDs are described.',
  source: vtd('9.4'),
  fields: {
    rid: ['rid', 'Function'],
    word: ['number', 'Index of the 64-bit word'],
    address: ['hex', 'Address'],
    old: ['u64', 'Old value'],
    new: ['u64', 'New value'],
  },
  template: 'context entry of {rid}, word {word} at {address}: {old} to {new}',
});

export const PASID_DIRECTORY_ENTRY_WRITTEN = defineEvent('linux.pasid-directory-entry.written', {
  title: 'PASID directory entry written',
  meaning: 'Software gave 64 consecutive PASIDs of a function a table.',
  source: vtd('9.5'),
  fields: {
    rid: ['rid', 'Function'],
    pasid: ['pasid', 'First PASID behind the entry'],
    address: ['hex', 'Address'],
    old: ['u64', 'Old value'],
    new: ['u64', 'New value'],
  },
  template: 'PASID directory entry of {rid} from PASID {pasid} at {address}: {old} to {new}',
});

export const PASID_ENTRY_WRITTEN = defineEvent('linux.pasid-entry.written', {
  title: 'PASID entry written',
  meaning: 'Software bound, changed or unbound the address space of one PASID of one function.',
  source: vtd('9.6'),
  fields: {
    rid: ['rid', 'Function'],
    pasid: ['pasid', 'PASID'],
    word: ['number', 'Index of the 64-bit word'],
    address: ['hex', 'Address'],
    old: ['u64', 'Old value'],
    new: ['u64', 'New value'],
  },
  template: 'PASID entry {pasid} of {rid}, word {word} at {address}: {old} to {new}',
});

export const PAGING_ENTRY_WRITTEN = defineEvent('linux.paging-entry.written', {
  level: 'debug',
  title: 'Paging entry written',
  meaning: 'Software changed one entry of a first- or second-stage table.',
  source: vtd('9.7 and 9.8'),
  fields: {
    table: ['text', 'Address space'],
    input: ['u64', 'First input address behind the entry'],
    level: ['number', 'Level'],
    address: ['hex', 'Address'],
    old: ['u64', 'Old value'],
    new: ['u64', 'New value'],
  },
  template: '{table}: level {level} entry for {input} at {address}: {old} to {new}',
});

export const IRTE_WRITTEN = defineEvent('linux.irte.written', {
  title: 'Interrupt remapping entry written',
  meaning: 'Software decided where interrupts that carry this index go.',
  source: vtd('9.9 and 9.10'),
  fields: {
    index: ['number', 'Index'],
    word: ['number', 'Index of the 64-bit word'],
    address: ['hex', 'Address'],
    old: ['u64', 'Old value'],
    new: ['u64', 'New value'],
  },
  template: 'IRTE {index}, word {word} at {address}: {old} to {new}',
});

export const IMS_ENTRY_WRITTEN = defineEvent('linux.ims-entry.written', {
  title: 'Interrupt message entry written',
  meaning: 'Software decided which message an entry sends and which PASID may name it.',
  source: linux('drivers/irqchip/irq-ims-msi.c'),
  fields: {
    unit: ['text', 'Device'],
    index: ['number', 'Entry'],
    word: ['number', 'Index of the 32-bit word'],
    old: ['hex', 'Old value'],
    new: ['hex', 'New value'],
  },
  template: 'IMS entry {index} of {unit}, word {word}: {old} to {new}',
});

// ---- IOMMU -----------------------------------------------------------------------------------------------------------

export const IOMMU_ENABLED = defineEvent('linux.iommu.enabled', {
  title: 'DMA remapping enabled',
  meaning: 'The driver finished bringing the unit up; from here on every request is translated.',
  source: vtd('6.6'),
  fields: { unit: ['text', 'Unit'], mode: ['text', 'Mode'], root: ['hex', 'Root table'] },
  template: '{unit}: {mode} mode, root table at {root}',
  mark: 'good',
});

export const INVALIDATION_SUBMITTED = defineEvent('linux.invalidation.submitted', {
  title: 'Invalidation asked for',
  meaning: 'Software queued a command that makes hardware forget cached entries.',
  source: vtd('6.5.2'),
  fields: {
    unit: ['text', 'Unit'],
    command: ['text', 'Command'],
    rid: ['rid', 'Function, -1 when the command names none'],
    pasid: ['pasid', 'PASID, -1 when the command names none'],
    slot: ['number', 'Slot of the invalidation queue'],
  },
  template: '{unit}: {command} in slot {slot}',
});

export const INVALIDATION_FINISHED = defineEvent('linux.invalidation.finished', {
  level: 'debug',
  title: 'Invalidations complete',
  meaning: 'The wait descriptor behind a batch wrote its status: everything before it took effect.',
  source: vtd('6.5.2.9'),
  fields: { unit: ['text', 'Unit'], slot: ['number', 'Slot of the wait descriptor'] },
  template: '{unit}: wait in slot {slot} complete',
});

export const INVALIDATION_FAILED = defineEvent('linux.invalidation.failed', {
  title: 'Invalidation failed',
  meaning: 'The queue stopped on an error or a device did not answer in time.',
  source: vtd('6.5.2.11'),
  fields: { unit: ['text', 'Unit'], problem: ['text', 'Problem'], slot: ['number', 'Slot'] },
  template: '{unit}: {problem} at slot {slot}',
  mark: 'warning',
});

export const FAULT_LOGGED = defineEvent('linux.fault.logged', {
  title: 'DMA fault reported in the kernel log',
  meaning: 'The fault handler read a fault record and printed it.',
  source: linux('drivers/iommu/intel/dmar.c'),
  fields: {
    text: ['text', 'Message'],
    reason: ['hex', 'Fault reason'],
    rid: ['rid', 'Function'],
    pasid: ['pasid', 'PASID, -1 for a request without'],
    address: ['u64', 'Address'],
  },
  template: '{text}',
  mark: 'fault',
});

export const DOMAIN_MAPPED = defineEvent('linux.domain.mapped', {
  title: 'Range mapped',
  meaning: 'An IOMMU domain now translates this range.',
  source: linux('drivers/iommu/iommu.c'),
  fields: {
    domain: ['text', 'Domain'],
    iova: ['u64', 'IOVA'],
    address: ['u64', 'Physical address'],
    bytes: ['hex', 'Size'],
    rights: ['text', 'Rights'],
  },
  template: '{domain}: {iova} to {address}, {bytes} bytes, {rights}',
});

export const DOMAIN_UNMAPPED = defineEvent('linux.domain.unmapped', {
  title: 'Range unmapped',
  meaning:
    'An IOMMU domain no longer translates this range; caches may until they are invalidated.',
  source: linux('drivers/iommu/iommu.c'),
  fields: { domain: ['text', 'Domain'], iova: ['u64', 'IOVA'], bytes: ['hex', 'Size'] },
  template: '{domain}: {iova}, {bytes} bytes',
});

export const DOMAIN_ATTACHED = defineEvent('linux.domain.attached', {
  title: 'Domain attached',
  meaning: 'Requests of this function with this PASID now use the address space.',
  source: linux('drivers/iommu/iommu.c'),
  fields: { domain: ['text', 'Domain'], rid: ['rid', 'Function'], pasid: ['pasid', 'PASID'] },
  template: '{domain} on {rid}, PASID {pasid}',
});

export const DOMAIN_DETACHED = defineEvent('linux.domain.detached', {
  title: 'Domain detached',
  meaning: 'Requests of this function with this PASID are blocked.',
  source: linux('drivers/iommu/iommu.c'),
  fields: { domain: ['text', 'Domain'], rid: ['rid', 'Function'], pasid: ['pasid', 'PASID'] },
  template: '{domain} off {rid}, PASID {pasid}',
});

export const PASID_ALLOCATED = defineEvent('linux.pasid.allocated', {
  title: 'PASID allocated',
  meaning: 'A number of the PASID space got an owner.',
  source: linux('drivers/iommu/iommu-sva.c'),
  fields: { pasid: ['pasid', 'PASID'], owner: ['text', 'Owner'] },
  template: 'PASID {pasid} for {owner}',
});

export const PASID_FREED = defineEvent('linux.pasid.freed', {
  title: 'PASID freed',
  meaning: 'The number may be given to somebody else; nothing of the old owner may still use it.',
  source: linux('drivers/iommu/iommu-sva.c'),
  fields: { pasid: ['pasid', 'PASID'], owner: ['text', 'Former owner'] },
  template: 'PASID {pasid} of {owner}',
});

export const PAGES_PINNED = defineEvent('linux.pages.pinned', {
  level: 'debug',
  title: 'Pages pinned',
  meaning: 'User pages may not move or be freed while a device can reach them.',
  source: linux('drivers/vfio/vfio_iommu_type1.c'),
  fields: {
    owner: ['text', 'Process'],
    pages: ['number', 'Pages'],
    locked: ['number', 'Pages locked afterwards'],
  },
  template: '{owner}: {pages} pages, {locked} locked now',
});

export const PAGES_UNPINNED = defineEvent('linux.pages.unpinned', {
  level: 'debug',
  title: 'Pages unpinned',
  meaning: 'User pages may move again.',
  source: linux('drivers/vfio/vfio_iommu_type1.c'),
  fields: {
    owner: ['text', 'Process'],
    pages: ['number', 'Pages'],
    locked: ['number', 'Pages locked afterwards'],
  },
  template: '{owner}: {pages} pages, {locked} locked now',
});

export const PAGE_REQUEST_ANSWERED = defineEvent('linux.page-request.answered', {
  title: 'Page request answered',
  meaning: 'Software decided about a group of page requests and queued the response.',
  source: vtd('7.6'),
  fields: {
    rid: ['rid', 'Function'],
    pasid: ['pasid', 'PASID'],
    group: ['number', 'Page request group index'],
    code: [{ names: { 0: 'success', 1: 'invalid', 15: 'failure' } }, 'Response'],
    why: ['text', 'Reason'],
  },
  template: '{rid} PASID {pasid} group {group}: {code} ({why})',
});

// ---- files, sysfs, processes -----------------------------------------------------------------------------------------

export const UEVENT_SENT = defineEvent('linux.uevent.sent', {
  title: 'Uevent',
  meaning: 'The kernel tells user space that an object of the device tree changed.',
  source: linux('lib/kobject_uevent.c'),
  fields: {
    action: ['text', 'Action'],
    path: ['text', 'Device path'],
    variables: ['text', 'Variables'],
  },
  template: '{action}@{path} {variables}',
});

export const SYSFS_CHANGED = defineEvent('linux.sysfs.changed', {
  level: 'debug',
  title: 'sysfs tree changed',
  meaning: 'A directory, file or link appeared in or disappeared from sysfs.',
  source: linux('fs/sysfs'),
  fields: { change: ['text', 'Change'], path: ['text', 'Path'] },
  template: '{change} {path}',
});

export const FILE_OPENED = defineEvent('linux.file.opened', {
  title: 'File descriptor opened',
  meaning: 'A process got a new file descriptor.',
  source: linux('fs/open.c'),
  fields: { process: ['text', 'Process'], fd: ['number', 'Descriptor'], file: ['text', 'File'] },
  template: '{process}: fd {fd} is {file}',
});

export const FILE_CLOSED = defineEvent('linux.file.closed', {
  title: 'File descriptor closed',
  meaning: 'A process gave up a file descriptor; the last one releases the file.',
  source: linux('fs/open.c'),
  fields: { process: ['text', 'Process'], fd: ['number', 'Descriptor'], file: ['text', 'File'] },
  template: '{process}: fd {fd} was {file}',
});

export const STATE_CHANGED = defineEvent('linux.object.state-changed', {
  title: 'State changed',
  meaning: 'An object of the software stack moved to another state of its state machine.',
  source: linux('Documentation/driver-api/vfio.rst'),
  fields: { object: ['text', 'Object'], from: ['text', 'From'], to: ['text', 'To'] },
  template: '{object}: {from} to {to}',
});

export const EVENTFD_SIGNALLED = defineEvent('linux.eventfd.signalled', {
  title: 'Eventfd signalled',
  meaning: 'A counter that user space or KVM waits on went up.',
  source: linux('fs/eventfd.c'),
  fields: { eventfd: ['text', 'Eventfd'], count: ['number', 'Count'], why: ['text', 'Reason'] },
  template: '{eventfd} is {count}: {why}',
});

export const INTERRUPT_HANDLED = defineEvent('linux.interrupt.handled', {
  title: 'Interrupt handled',
  meaning: 'A CPU took a vector and ran the handler of the interrupt behind it.',
  source: linux('kernel/irq/handle.c'),
  fields: {
    irq: ['number', 'Interrupt'],
    name: ['text', 'Handler'],
    cpu: ['number', 'CPU'],
    vector: ['hex', 'Vector'],
  },
  template: 'irq {irq} ({name}) on CPU {cpu}, vector {vector}',
});

export const INTERRUPT_SPURIOUS = defineEvent('linux.interrupt.not-expected', {
  title: 'Interrupt without handler',
  meaning: 'A CPU took a vector that no interrupt is assigned to.',
  source: linux('arch/x86/kernel/irq.c'),
  fields: { cpu: ['number', 'CPU'], vector: ['hex', 'Vector'] },
  template: 'No handler for vector {vector} on CPU {cpu}',
  mark: 'warning',
});

export const PROCESS_CHANGED = defineEvent('linux.process.changed', {
  title: 'Process',
  meaning: 'A process started, forked, got a signal or ended.',
  source: linux('kernel/fork.c'),
  fields: { process: ['text', 'Process'], change: ['text', 'What happened'] },
  template: '{process}: {change}',
});

export const INSTRUCTION_EXECUTED = defineEvent('linux.instruction.executed', {
  title: 'Submission instruction',
  meaning: 'A process stored 64 bytes to a portal without asking the kernel.',
  source: linux('arch/x86/include/asm/special_insns.h'),
  fields: {
    process: ['text', 'Process'],
    instruction: ['text', 'Instruction'],
    address: ['u64', 'Physical address of the portal'],
    result: ['text', 'What the CPU knows afterwards'],
  },
  template: '{process}: {instruction} to {address}: {result}',
});

export const IDXD_COMMAND = defineEvent('linux.idxd.command-given', {
  title: 'Command given to the accelerator',
  meaning: 'The host driver wrote the command register and waits for the answer.',
  source: linux('drivers/dma/idxd/device.c'),
  fields: {
    device: ['text', 'Device'],
    command: ['text', 'Command'],
    operand: ['hex', 'Operand'],
  },
  template: '{device}: {command} {operand}',
});

// ---- VDEV ------------------------------------------------------------------------------------------------------------

export const VDEV_ACCESSED = defineEvent('linux.vdev.accessed', {
  title: 'VDEV access emulated',
  meaning: 'An access of the guest left the fast path: software answered it in place of hardware.',
  source: linux('include/linux/vfio.h'),
  fields: {
    vdev: ['text', 'VDEV'],
    region: ['text', 'Region'],
    access: ['text', 'Access'],
    offset: ['hex', 'Offset'],
    bytes: ['number', 'Bytes'],
    value: ['u64', 'Value'],
  },
  template: '{vdev}: {access} {bytes} bytes at {region} + {offset}: {value}',
});

export const VDEV_COMMAND = defineEvent('linux.vdev.command-handled', {
  title: 'Virtual administrative command',
  meaning: 'The VDCM carried out a command that the guest wrote into its command register.',
  source: linux('drivers/vfio/mdev/idxd/vdev.c'),
  fields: {
    vdev: ['text', 'VDEV'],
    command: ['text', 'Command'],
    operand: ['hex', 'Operand'],
    status: ['hex', 'Error code'],
    result: ['hex', 'Result'],
  },
  template: '{vdev}: {command} {operand}: status {status}, result {result}',
});
