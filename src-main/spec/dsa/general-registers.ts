/**
 * Control and status registers of the accelerator. DSA 3.0 sections 9.2.8 to 9.2.17.
 *
 * `RWL` fields change only while the device is Disabled; GENCFG also needs GENCAP bit 31 (configuration support).
 */
import { address, bit, bits, wide } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdZ } from '../reserved-fields.ts';
import { dsa } from '../source.ts';

export const GENCFG = defineRegister('GENCFG', {
  title: 'General Configuration',
  offset: 0x080,
  bytes: 4,
  source: dsa('9.2.8'),
  fields: {
    globalReadBufferLimit: bits(7, 0, 'Global Read Buffer Limit', {
      access: 'RWL',
      format: 'decimal',
      capability: 'GLOBAL_READ_BUFFERS',
      note: 'Shared by all groups that use the global limit. Resets to all read buffers.',
    }),
    _r0: rsvdZ(11, 8),
    userInterrupts: bit(12, 'User-mode Interrupts Enable', {
      access: 'RWL',
      note: '0 makes the completion interrupt flag reserved for unprivileged descriptors with a PASID.',
    }),
    eventLogEnable: bit(13, 'Event Log Enable', {
      access: 'RWL',
      capability: 'EVENT_LOG',
      note: 'Errors of descriptors go to the event log in place of SWERROR.',
    }),
    _r1: rsvdZ(31, 14),
  },
});

export const GENCTRL = defineRegister('GENCTRL', {
  title: 'General Control',
  offset: 0x088,
  bytes: 4,
  source: dsa('9.2.9'),
  fields: {
    softwareErrorInterrupt: bit(0, 'Software Error Interrupt Enable', {
      note: 'Interrupt 0 when SWERROR becomes valid.',
    }),
    haltInterrupt: bit(1, 'Halt State Interrupt Enable', {
      note: 'Interrupt 0 when the device halts.',
    }),
    eventLogInterrupt: bit(2, 'Event Log Interrupt Enable', {
      capability: 'EVENT_LOG',
      note: 'Interrupt 0 when an entry is logged.',
    }),
    _r0: rsvdZ(31, 3),
  },
});

export const DEVICE_STATE = { disabled: 0, enabled: 1, busy: 2, halted: 3 } as const;
/** What brings a halted device back. */
export const HALT_RESET = { command: 0, functionLevel: 1, warm: 2, cold: 3 } as const;

export const GENSTS = defineRegister('GENSTS', {
  title: 'General Status',
  offset: 0x090,
  bytes: 4,
  source: dsa('9.2.10'),
  fields: {
    state: bits(1, 0, 'Device State', {
      access: 'RO',
      values: DEVICE_STATE,
      note: 'Descriptors are executed only while Enabled.',
    }),
    resetType: bits(3, 2, 'Reset Type', {
      access: 'RO',
      values: HALT_RESET,
      note: 'Meaningful in the halt state: the reset that leaves it.',
    }),
    _r0: rsvdZ(31, 4),
  },
});

export const INTCAUSE = defineRegister('INTCAUSE', {
  title: 'Interrupt Cause',
  offset: 0x098,
  bytes: 4,
  source: dsa('9.2.11'),
  note: 'Why interrupt 0 was sent. Other interrupts have no cause register.',
  fields: {
    softwareError: bit(0, 'Software Error', { access: 'RW1C', note: 'SWERROR became valid.' }),
    command: bit(1, 'Administrative Command Completion', {
      access: 'RW1C',
      note: 'A command that asked for it is complete.',
    }),
    occupancy: bit(2, 'WQ Occupancy Below Limit', {
      access: 'RW1C',
      note: 'A queue has drained to its limit.',
    }),
    perfmon: bit(3, 'Perfmon Counter Overflow', {
      access: 'RW1C',
      note: 'A performance counter overflowed.',
    }),
    halt: bit(4, 'Halt State', { access: 'RW1C', note: 'The device halted.' }),
    eventLog: bit(5, 'Event Log', { access: 'RW1C', note: 'An entry was logged.' }),
    _r0: rsvdZ(30, 6),
    handlesRevoked: bit(31, 'Interrupt Handles Revoked', {
      access: 'RW1C',
      note: 'Interrupt handles must be requested again.',
    }),
  },
});

export const CMD = defineRegister('CMD', {
  title: 'Command',
  offset: 0x0a0,
  bytes: 4,
  source: dsa('9.2.12'),
  fields: {
    operand: bits(19, 0, 'Operand', { access: 'WO', note: 'Meaning depends on the command.' }),
    code: bits(24, 20, 'Command Code', {
      access: 'WO',
      format: 'decimal',
      note: 'Writing it starts the command.',
    }),
    indexHigh: bits(28, 25, 'WQ Index, upper bits', {
      access: 'WO',
      capability: 'WIDE_WQ',
      note: 'Simulator extension: bits 11:8 of the WQ index of commands that name one or a bitmap of sixteen.',
    }),
    _r0: rsvdZ(30, 29),
    interrupt: bit(31, 'Request Completion Interrupt', {
      access: 'WO',
      note: 'Interrupt 0 at the end.',
    }),
  },
});

export const CMDSTATUS = defineRegister('CMDSTATUS', {
  title: 'Command Status',
  offset: 0x0a8,
  bytes: 4,
  source: dsa('9.2.13'),
  fields: {
    error: bits(7, 0, 'Error Code', { access: 'RO', note: '0 is success.' }),
    result: bits(23, 8, 'Result', {
      access: 'RO',
      note: 'The handle, for commands that request one.',
    }),
    _r0: rsvdZ(30, 24),
    active: bit(31, 'Active', {
      access: 'RO',
      note: 'The command is in progress; a further write of CMD is an error.',
    }),
  },
});

export const SWERROR = defineRegister('SWERROR', {
  title: 'Software Error',
  offset: 0x0c0,
  bytes: 32,
  source: dsa('9.2.15'),
  note: 'Holds the first error; a later one only sets Overflow.',
  fields: {
    valid: bit(0, 'Valid', { access: 'RW1C', note: 'An error is recorded; write 1 to clear.' }),
    overflow: bit(1, 'Overflow', {
      access: 'RW1C',
      note: 'Further errors came while one was recorded.',
    }),
    descriptorValid: bit(2, 'Descriptor Fields Valid', {
      access: 'RO',
      note: 'Operation, PASID and batch fields mean something.',
    }),
    wqValid: bit(3, 'WQ Index Valid', { access: 'RO', note: 'The WQ index means something.' }),
    batch: bit(4, 'Batch Member', { access: 'RO', note: 'The descriptor was in a batch.' }),
    write: bit(5, 'Faulting Access was a Write', {
      access: 'RO',
      note: 'The access that faulted was a write.',
    }),
    priv: bit(6, 'Privileged', { access: 'RO', note: 'The descriptor was privileged.' }),
    informationValid: bit(7, 'Error Information Valid', {
      access: 'RO',
      note: 'The error information means something.',
    }),
    code: bits(15, 8, 'Error Code', { access: 'RO', note: 'A completion status, or 51h to 54h.' }),
    wq: bits(23, 16, 'WQ Index', {
      access: 'RO',
      format: 'decimal',
      note: 'Queue that the descriptor came from.',
    }),
    _r0: rsvdZ(31, 24),
    operation: bits(39, 32, 'Operation', {
      access: 'RO',
      note: 'Operation code of the descriptor.',
    }),
    pasid: bits(59, 40, 'PASID', { access: 'RO', note: 'Address space of the descriptor.' }),
    wqHigh: bits(63, 60, 'WQ Index, upper bits', {
      access: 'RO',
      capability: 'WIDE_WQ',
      note: 'Simulator extension: bits 11:8 of the WQ index.',
    }),
    batchIndex: bits(79, 64, 'Batch Index', {
      access: 'RO',
      format: 'decimal',
      note: 'Place in the batch.',
    }),
    _r1: rsvdZ(95, 80),
    information: bits(127, 96, 'Error Information', {
      access: 'RO',
      note: 'Invalid flags, handle or operand, by error code.',
    }),
    address: wide(191, 128, 'Address', {
      access: 'RO',
      note: 'Address that faulted, or of the completion record.',
    }),
    _r2: rsvdZ(255, 192),
  },
});

export const EVLCFG = defineRegister('EVLCFG', {
  title: 'Event Log Configuration',
  offset: 0x0e0,
  bytes: 16,
  source: dsa('9.2.16'),
  fields: {
    pasidEnable: bit(0, 'PASID Enable', {
      access: 'RWL',
      capability: 'EVENT_LOG',
      note: 'The log is written in an address space of its own.',
    }),
    priv: bit(1, 'Privileged', {
      access: 'RWL',
      capability: 'EVENT_LOG',
      note: 'The log is written with privilege.',
    }),
    _r0: rsvdZ(11, 2),
    base: address(63, 12, 'Event Log Base Address', {
      access: 'RWL',
      capability: 'EVENT_LOG',
      note: 'Where the ring of entries lies.',
    }),
    size: bits(79, 64, 'Event Log Size', {
      access: 'RWL',
      format: 'decimal',
      capability: 'EVENT_LOG',
      note: 'Entries, at least 64.',
    }),
    pasid: bits(99, 80, 'PASID', {
      access: 'RWL',
      capability: 'EVENT_LOG',
      note: 'Address space of the log.',
    }),
    _r1: rsvdZ(127, 100),
  },
});

export const EVLSTATUS = defineRegister('EVLSTATUS', {
  title: 'Event Log Status',
  offset: 0x0f0,
  bytes: 8,
  source: dsa('9.2.17'),
  note: 'Empty when head equals tail, full when tail + 1 equals head.',
  fields: {
    head: bits(15, 0, 'Head', {
      format: 'decimal',
      capability: 'EVENT_LOG',
      note: 'Advanced by software.',
    }),
    _r0: rsvdZ(31, 16),
    tail: bits(47, 32, 'Tail', {
      access: 'RO',
      format: 'decimal',
      capability: 'EVENT_LOG',
      note: 'The next slot that hardware writes.',
    }),
    _r1: rsvdZ(61, 48),
    interruptPending: bit(62, 'Interrupt Pending', {
      access: 'RW1C',
      capability: 'EVENT_LOG',
      note: 'No further log interrupt until software writes 1.',
    }),
    _r2: rsvdZ(63),
  },
});

export const IDBR = defineRegister('IDBR', {
  title: 'Inter-domain Bitmap',
  offset: 0x108,
  bytes: 4,
  source: dsa('9.2'),
  note: 'Address space of the submitter bitmaps.',
  fields: {
    pasidEnable: bit(0, 'PASID Enable', {
      access: 'RWL',
      capability: 'INTER_DOMAIN',
      note: 'Bitmaps are read in an address space of their own.',
    }),
    priv: bit(1, 'Privileged', {
      access: 'RWL',
      capability: 'INTER_DOMAIN',
      note: 'Bitmaps are read with privilege.',
    }),
    _r0: rsvdZ(11, 2),
    pasid: bits(31, 12, 'PASID', {
      access: 'RWL',
      capability: 'INTER_DOMAIN',
      note: 'Address space of the bitmaps.',
    }),
  },
});

export const CMDPARAM = defineRegister('CMDPARAM', {
  title: 'Command Parameter',
  offset: 0xe000,
  bytes: 8,
  source: dsa('9.2'),
  fields: {
    parameter: wide(63, 0, 'Parameter', {
      capability: 'INTER_DOMAIN',
      format: 'address',
      note: 'Address, for commands that take one.',
    }),
  },
});
