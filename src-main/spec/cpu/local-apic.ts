/**
 * Registers of a local APIC, by offset in the xAPIC page; x2APIC mode reaches them as MSR 800h + offset/16. Intel SDM
 * volume 3, "Local APIC" and "Extended XAPIC (x2APIC)".
 *
 * Not modelled: timer, local vector table, thermal and performance interrupts, arbitration priority, remote reads.
 */
import { bit, bits, type FieldSpec } from '../../bits/field.ts';
import { defineRegister, defineRegisterBlock, type Register } from '../../bits/register-block.ts';
import { rsvdZ } from '../reserved-fields.ts';
import { sdm } from '../source.ts';
import { DELIVERY_MODE as MESSAGE_DELIVERY_MODE } from '../vtd/interrupt-remap-entry.ts';

export const LAPIC_BYTES = 0x400;
/** Vectors below are reserved for exceptions: a message with one of them is an error. */
export const FIRST_LEGAL_VECTOR = 16;
export const VECTORS = 256;
/** ISR, TMR and IRR have eight registers of 32 vectors each, 16 bytes apart. */
export const VECTOR_REGISTERS = 8;
export const VECTOR_REGISTER_STRIDE = 0x10;

/** Delivery modes of messages, and the one that only the interrupt command register has. */
export const DELIVERY_MODE = { ...MESSAGE_DELIVERY_MODE, startUp: 6 } as const;

export const DELIVERY_MODE_NAMES: Readonly<Record<number, string>> = {
  0: 'fixed',
  1: 'lowest priority',
  2: 'SMI',
  3: 'reserved',
  4: 'NMI',
  5: 'INIT',
  6: 'start-up',
  7: 'ExtINT',
};

function register(
  name: string,
  title: string,
  offset: number,
  fields: Readonly<Record<string, FieldSpec>>,
  note?: string,
): Register {
  return defineRegister(name, {
    title,
    offset,
    bytes: 4,
    source: sdm('volume 3, "Local APIC"'),
    fields,
    ...(note === undefined ? {} : { note }),
  });
}

const ID = register('APIC_ID', 'Local APIC ID', 0x20, {
  ID: bits(31, 0, 'Identifier', {
    access: 'RO',
    note: 'xAPIC: eight bits at 31:24. x2APIC: all 32 bits.',
  }),
});
const VERSION = register('APIC_VERSION', 'Local APIC version', 0x30, {
  VERSION: bits(7, 0, 'Version', { access: 'RO', reset: 0x15 }),
  _r0: rsvdZ(15, 8),
  MAX_LVT: bits(23, 16, 'Entries of the local vector table, minus one', { access: 'RO', reset: 0 }),
  _r1: rsvdZ(31, 24),
});
const PRIORITY_FIELDS = {
  SUBCLASS: bits(3, 0, 'Subclass'),
  CLASS: bits(7, 4, 'Priority class', {
    note: 'Vectors of this class and below wait: a vector belongs to class vector/16.',
  }),
  _r0: rsvdZ(31, 8),
};
const TPR = register('APIC_TPR', 'Task priority', 0x80, PRIORITY_FIELDS);
const PPR = register('APIC_PPR', 'Processor priority', 0xa0, {
  VALUE: bits(7, 0, 'Processor priority', {
    access: 'RO',
    note: 'The higher of task priority and the class in service.',
  }),
  _r0: rsvdZ(31, 8),
});
const EOI = register('APIC_EOI', 'End of interrupt', 0xb0, {
  VALUE: bits(31, 0, 'Any value', { access: 'WO', note: 'Ends the highest vector in service.' }),
});
const LDR = register('APIC_LDR', 'Logical destination', 0xd0, {
  LDR: bits(31, 0, 'Logical identifier', {
    note: 'xAPIC: bits 31:24, written by software. x2APIC: cluster 31:16 and member bit 15:0, derived from the ID.',
  }),
});
const DFR = register('APIC_DFR', 'Destination format', 0xe0, {
  ONES: bits(27, 0, 'Ones', { access: 'RO', reset: 0x0fff_ffff }),
  MODEL: bits(31, 28, 'Model', {
    values: { cluster: 0, flat: 15 },
    reset: 15,
    note: 'How xAPIC compares logical destinations. Absent in x2APIC mode.',
  }),
});
const SVR = register('APIC_SVR', 'Spurious interrupt vector', 0xf0, {
  VECTOR: bits(7, 0, 'Spurious vector', { reset: 0xff }),
  ENABLE: bit(8, 'APIC software enable', { note: '0: fixed interrupts are refused.' }),
  _r0: rsvdZ(31, 9),
});
const ESR = register('APIC_ESR', 'Error status', 0x280, {
  _r0: rsvdZ(4, 0),
  SEND_ILLEGAL: bit(5, 'Send illegal vector'),
  RECEIVED_ILLEGAL: bit(6, 'Received illegal vector'),
  ILLEGAL_REGISTER: bit(7, 'Illegal register address'),
  _r1: rsvdZ(31, 8),
});
const ICR_LOW = register('APIC_ICR_LOW', 'Interrupt command, low', 0x300, {
  VECTOR: bits(7, 0, 'Vector'),
  DLM: bits(10, 8, 'Delivery mode', { values: DELIVERY_MODE }),
  DM: bit(11, 'Destination mode', { note: '0 physical, 1 logical.' }),
  STATUS: bit(12, 'Delivery status', { access: 'RO', note: 'Sending takes no time in the model.' }),
  _r0: rsvdZ(13),
  LEVEL: bit(14, 'Level'),
  TM: bit(15, 'Trigger mode'),
  _r1: rsvdZ(17, 16),
  SHORTHAND: bits(19, 18, 'Destination shorthand', {
    values: { none: 0, self: 1, all: 2, others: 3 },
  }),
  _r2: rsvdZ(31, 20),
});
const ICR_HIGH = register('APIC_ICR_HIGH', 'Interrupt command, high', 0x310, {
  DESTINATION: bits(31, 0, 'Destination', { note: 'xAPIC: bits 31:24. x2APIC: all 32 bits.' }),
});
const SELF_IPI = register('APIC_SELF_IPI', 'Self IPI', 0x3f0, {
  VECTOR: bits(7, 0, 'Vector', {
    access: 'WO',
    note: 'x2APIC only: an interrupt to the CPU itself.',
  }),
  _r0: rsvdZ(31, 8),
});

function vectorRegisters(name: string, title: string, first: number): readonly Register[] {
  return Array.from({ length: VECTOR_REGISTERS }, (_, i) =>
    register(
      `APIC_${name}${i}`,
      `${title}, vectors ${i * 32}-${i * 32 + 31}`,
      first + i * VECTOR_REGISTER_STRIDE,
      {
        VECTORS: bits(31, 0, 'One bit a vector', { access: 'RO' }),
      },
    ),
  );
}

const ISR = vectorRegisters('ISR', 'In service', 0x100);
const TMR = vectorRegisters('TMR', 'Trigger mode', 0x180);
const IRR = vectorRegisters('IRR', 'Interrupt requests', 0x200);

export const LAPIC_BLOCK = defineRegisterBlock('Local APIC', [
  ID,
  VERSION,
  TPR,
  PPR,
  EOI,
  LDR,
  DFR,
  SVR,
  ...ISR,
  ...TMR,
  ...IRR,
  ESR,
  ICR_LOW,
  ICR_HIGH,
  SELF_IPI,
]);

/** Offsets by short name; a virtual-APIC page uses the same ones. */
export const LAPIC_OFFSET = {
  ID: ID.offset,
  VERSION: VERSION.offset,
  TPR: TPR.offset,
  PPR: PPR.offset,
  EOI: EOI.offset,
  LDR: LDR.offset,
  DFR: DFR.offset,
  SVR: SVR.offset,
  ISR: 0x100,
  TMR: 0x180,
  IRR: 0x200,
  ESR: ESR.offset,
  ICR_LOW: ICR_LOW.offset,
  ICR_HIGH: ICR_HIGH.offset,
  SELF_IPI: SELF_IPI.offset,
} as const;

export const LAPIC_REGISTERS = { TPR, LDR, DFR, SVR, ESR, ICR_LOW, ICR_HIGH } as const;
