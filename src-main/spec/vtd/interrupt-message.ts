/**
 * Interrupts as messages on the bus: address and data of MSI and MSI-X in compatibility and remappable format, the I/O APIC
 * entry in remappable format. VT-d 5.10 sections 5.1.2 to 5.1.6.
 */
import { bit, bits, ignored, reserved, split } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';
import { DELIVERY_MODE } from './interrupt-remap-entry.ts';

/** Bits 31:20 of the address of every interrupt message. */
export const INTERRUPT_ADDRESS_PREFIX = 0xfee;
/** Addresses that are interrupts, both ends included. */
export const INTERRUPT_RANGE = { first: 0xfee0_0000, last: 0xfeef_ffff } as const;

const PREFIX = bits(31, 20, 'Interrupt address prefix', {
  values: { interrupt: INTERRUPT_ADDRESS_PREFIX },
  format: 'hex',
  note: 'FEEh.',
});

export const RemappableMessageAddress = defineStructure({
  name: 'RemappableMessageAddress',
  title: 'Interrupt Message Address, remappable format',
  bytes: 8,
  source: vtd('5.1.2.2'),
  note: 'Carries an index into the interrupt remapping table instead of vector and destination.',
  fields: {
    _i0: ignored(1, 0),
    HANDLE: split(
      [
        [2, 2],
        [19, 5],
      ],
      'Handle',
      { format: 'hex', note: 'Index into the table, or its base when SHV=1.' },
    ),
    SHV: bit(3, 'Subhandle Valid', { note: 'The low data bits are added to the handle.' }),
    FORMAT: bit(4, 'Interrupt Format', {
      values: { compatibility: 0, remappable: 1 },
      note: '1 for this format.',
    }),
    PREFIX,
    _r32: reserved(63, 32),
  },
});

export const RemappableMessageData = defineStructure({
  name: 'RemappableMessageData',
  title: 'Interrupt Message Data, remappable format with subhandle',
  bytes: 4,
  source: vtd('5.1.2.2'),
  note: 'With SHV=0 the data is ignored.',
  fields: {
    SUBHANDLE: bits(15, 0, 'Subhandle', { format: 'hex', note: 'Added to the handle.' }),
    _r16: reserved(31, 16),
  },
});

export const CompatibilityMessageAddress = defineStructure({
  name: 'CompatibilityMessageAddress',
  title: 'Interrupt Message Address, compatibility format',
  bytes: 8,
  source: vtd('5.1.2.1'),
  note: 'The form of the local APIC; also what the unit sends itself.',
  fields: {
    _i0: ignored(1, 0),
    DM: bit(2, 'Destination Mode', {
      values: { physical: 0, logical: 1 },
      note: 'How the destination is read.',
    }),
    RH: bit(3, 'Redirection Hint', { note: 'The interrupt may go to one of several CPUs.' }),
    FORMAT: bit(4, 'Interrupt Format', {
      values: { compatibility: 0, remappable: 1 },
      note: '0 for this format.',
    }),
    _i5: ignored(11, 5),
    DEST: bits(19, 12, 'Destination', { format: 'hex', note: 'Destination bits 7:0.' }),
    PREFIX,
    _i32: ignored(39, 32),
    DEST_HIGH: bits(63, 40, 'Destination, upper part', {
      format: 'hex',
      note: 'Destination bits 31:8 for x2APIC, else 0.',
    }),
  },
});

export const CompatibilityMessageData = defineStructure({
  name: 'CompatibilityMessageData',
  title: 'Interrupt Message Data, compatibility format',
  bytes: 4,
  source: vtd('5.1.2.1'),
  fields: {
    V: bits(7, 0, 'Vector', { format: 'hex', note: 'Interrupt vector.' }),
    DLM: bits(10, 8, 'Delivery Mode', {
      values: DELIVERY_MODE,
      note: 'What kind of interrupt is delivered.',
    }),
    _i11: ignored(13, 11),
    LEVEL: bit(14, 'Level', {
      values: { deassert: 0, assert: 1 },
      note: 'Counts for level trigger; remapped interrupts always assert.',
    }),
    TM: bit(15, 'Trigger Mode', { values: { edge: 0, level: 1 }, note: 'Edge or level.' }),
    _i16: ignored(31, 16),
  },
});

export const RemappableIoApicEntry = defineStructure({
  name: 'RemappableIoApicEntry',
  title: 'I/O APIC Redirection Table Entry, remappable format',
  bytes: 8,
  source: vtd('5.1.5.1'),
  note: 'Vector and trigger mode must match the remapping entry.',
  fields: {
    V: bits(7, 0, 'Vector', { format: 'hex', note: 'Used for end of interrupt.' }),
    ZERO: bits(10, 8, 'Must be zero', { note: 'Forces SHV=0 in the message.' }),
    INDEX: split(
      [
        [11, 11],
        [63, 49],
      ],
      'Interrupt Index',
      { format: 'hex', note: 'Entry of the interrupt remapping table.' },
    ),
    DS: bit(12, 'Delivery Status', { note: 'The interrupt waits to be sent.' }),
    POLARITY: bit(13, 'Polarity', { values: { high: 0, low: 1 }, note: 'Of the input pin.' }),
    IRR: bit(14, 'Remote IRR', { note: 'A level interrupt has been accepted.' }),
    TM: bit(15, 'Trigger Mode', { values: { edge: 0, level: 1 }, note: 'Of the input pin.' }),
    MASK: bit(16, 'Mask', { note: 'The interrupt is not sent.' }),
    _r17: reserved(47, 17),
    FORMAT: bit(48, 'Interrupt Format', {
      values: { compatibility: 0, remappable: 1 },
      note: '1 for this format.',
    }),
  },
});

export interface InterruptMessage {
  readonly address: number;
  readonly data: number;
}

/** The message a device must send to use table entry `handle` (plus `subhandle` when given). */
export function remappableMessage(handle: number, subhandle?: number): InterruptMessage {
  const address = RemappableMessageAddress.encode({
    HANDLE: handle,
    SHV: subhandle === undefined ? 0 : 1,
    FORMAT: 1,
    PREFIX: INTERRUPT_ADDRESS_PREFIX,
  });
  const data = RemappableMessageData.encode({ SUBHANDLE: subhandle ?? 0 });
  return { address: address[0] ?? 0, data: data[0] ?? 0 };
}
