/** Trace events of logical CPUs: enqueue instructions, MSRs and page walks. */
import { EXCEPTION_NAMES } from '../cpu/exception.ts';
import { sdm } from '../source.ts';
import { defineEvent, type EventFieldType } from './event.ts';

/** Instructions that submit 64 bytes to a device. */
export const SUBMIT_INSTRUCTION = { movdir64b: 0, enqcmd: 1, enqcmds: 2 } as const;
export type SubmitInstruction = (typeof SUBMIT_INSTRUCTION)[keyof typeof SUBMIT_INSTRUCTION];

const INSTRUCTION: EventFieldType = { names: { 0: 'MOVDIR64B', 1: 'ENQCMD', 2: 'ENQCMDS' } };

/** Why an instruction or an MSR access raised an exception. */
export const FAULT_CAUSE = {
  destinationAlignment: 0,
  privilege: 1,
  sourceReserved: 2,
  pasidInvalid: 3,
  msrUnknown: 4,
  msrReserved: 5,
  msrReadOnly: 6,
  apicModeChange: 7,
  featureAbsent: 8,
} as const;
export type FaultCause = (typeof FAULT_CAUSE)[keyof typeof FAULT_CAUSE];

const CAUSE: EventFieldType = {
  names: {
    0: 'destination is not 64-byte aligned',
    1: 'needs CPL 0',
    2: 'reserved bits set in the source',
    3: 'IA32_PASID is not valid',
    4: 'no such MSR',
    5: 'reserved bits set',
    6: 'MSR is read-only',
    7: 'forbidden change of APIC mode',
    8: 'feature not present',
  },
};

const EXCEPTION_FIELD: EventFieldType = { names: EXCEPTION_NAMES };

export const BLOCK_WRITE_ISSUED = defineEvent('cpu.block-write.issued', {
  title: '64-byte store issued',
  meaning:
    'One store of 64 bytes left the CPU towards a portal. MOVDIR64B is posted and hears nothing back; ENQCMD and ENQCMDS wait for an answer.',
  source: sdm('volume 2, ENQCMD'),
  fields: {
    instruction: [INSTRUCTION, 'Instruction'],
    address: ['u64', 'Physical address'],
    pasid: ['pasid', 'PASID in the command'],
    isPrivileged: ['flag', 'PRIV'],
  },
  template: '{instruction} to {address}, PASID {pasid}, PRIV {isPrivileged}',
});

export const ENQCMD_ACCEPTED = defineEvent('cpu.enqcmd.accepted', {
  title: 'Enqueue accepted',
  meaning: 'The device took the descriptor: the instruction ends with ZF=0.',
  source: sdm('volume 2, ENQCMD'),
  fields: { instruction: [INSTRUCTION, 'Instruction'], pasid: ['pasid', 'PASID in the command'] },
  template: '{instruction} of PASID {pasid} accepted (ZF=0)',
  mark: 'good',
});

export const ENQCMD_RETRIED = defineEvent('cpu.enqcmd.retried', {
  title: 'Enqueue refused',
  meaning:
    'The device asked for a retry: the instruction ends with ZF=1 and nothing was stored. The queue is full, above its threshold, disabled or of the wrong kind.',
  source: sdm('volume 2, ENQCMD'),
  fields: { instruction: [INSTRUCTION, 'Instruction'], pasid: ['pasid', 'PASID in the command'] },
  template: '{instruction} of PASID {pasid} refused (ZF=1)',
  mark: 'warning',
});

export const BLOCK_WRITE_VANISHED = defineEvent('cpu.block-write.vanished', {
  level: 'guest-error',
  title: '64-byte store found no taker',
  meaning:
    'Nobody took the store. MOVDIR64B gives no status, so software cannot know; a posted store to a shared or disabled queue ends this way.',
  source: sdm('volume 2, MOVDIR64B'),
  fields: { instruction: [INSTRUCTION, 'Instruction'], address: ['u64', 'Physical address'] },
  template: '{instruction} to {address} vanished',
  mark: 'warning',
});

export const INSTRUCTION_FAULTED = defineEvent('cpu.instruction.faulted', {
  title: 'Instruction raised an exception',
  meaning:
    'The instruction was refused before anything was sent. #GP from ENQCMD with an invalid IA32_PASID is normal: the kernel fills the register and the thread tries again.',
  source: sdm('volume 2, ENQCMD'),
  fields: {
    instruction: [INSTRUCTION, 'Instruction'],
    exception: [EXCEPTION_FIELD, 'Exception'],
    cause: [CAUSE, 'Cause'],
  },
  template: '{instruction} raised {exception}: {cause}',
  mark: 'warning',
});

export const MSR_WRITTEN = defineEvent('cpu.msr.written', {
  title: 'MSR written',
  meaning: 'Software changed a model-specific register of this CPU.',
  source: sdm('volume 4'),
  fields: { index: ['hex', 'MSR'], value: ['u64', 'Value'] },
  template: 'MSR {index} := {value}',
});

export const MSR_FAULTED = defineEvent('cpu.msr.faulted', {
  level: 'guest-error',
  title: 'MSR access refused',
  meaning: 'RDMSR or WRMSR raised #GP, and the register did not change.',
  source: sdm('volume 2, WRMSR'),
  fields: {
    index: ['hex', 'MSR'],
    isWrite: ['flag', 'Write'],
    value: ['u64', 'Value'],
    cause: [CAUSE, 'Cause'],
  },
  template: 'MSR {index}: {cause}',
  mark: 'warning',
});

export const PRIVILEGE_CHANGED = defineEvent('cpu.privilege.changed', {
  level: 'debug',
  title: 'Privilege level changed',
  meaning: 'The CPU now runs kernel code (CPL 0) or user code (CPL 3).',
  source: sdm('volume 3, "Privilege Levels"'),
  fields: { cpl: ['number', 'CPL'] },
  template: 'CPL {cpl}',
});

/** What stopped a page walk of the CPU. */
export const PAGE_FAULT_CAUSE = {
  notPresent: 0,
  reservedBit: 1,
  userRight: 2,
  writeRight: 3,
  executeRight: 4,
} as const;
export type PageFaultCause = (typeof PAGE_FAULT_CAUSE)[keyof typeof PAGE_FAULT_CAUSE];

export const PAGE_FAULTED = defineEvent('cpu.page.faulted', {
  title: 'Page fault',
  meaning:
    'The CPU could not translate a linear address and raised #PF; the kernel maps the page or stops the process. A device that shares the tables asks by page request instead.',
  source: sdm('volume 3, "Page-Fault Exceptions"'),
  fields: {
    address: ['u64', 'Linear address'],
    errorCode: ['hex', 'Error code'],
    cause: [
      {
        names: {
          0: 'entry not present',
          1: 'reserved bit set',
          2: 'user access to a supervisor page',
          3: 'no write right',
          4: 'no execute right',
        },
      },
      'Cause',
    ],
    level: ['number', 'Level of the entry'],
    entry: ['u64', 'Address of the entry'],
  },
  template: '#PF at {address}, error code {errorCode}: {cause} at level {level}',
  mark: 'fault',
});

export const PAGE_ENTRY_MARKED = defineEvent('cpu.page-entry.marked', {
  level: 'debug',
  title: 'Accessed or dirty flag set',
  meaning:
    'The CPU set a flag in a paging entry; a device that shares the table sets the same bits.',
  source: sdm('volume 3, "Accessed and Dirty Flags"'),
  fields: {
    entry: ['u64', 'Address of the entry'],
    level: ['number', 'Level'],
    isDirty: ['flag', 'D set'],
  },
  template: 'Entry at {entry} (level {level}) marked, D={isDirty}',
});
