/**
 * The four registers that describe one event message; fault, invalidation completion and page request events share the
 * shape. VT-d 5.10 sections 6.5.2.10, 7.3 and 7.5.
 *
 * These messages are never remapped. The upper address exists for x2APIC destinations.
 */
import { address, bit, bits, type SourceRef } from '../../../bits/field.ts';
import { defineRegister, type Register } from '../../../bits/register-block.ts';
import { rsvdP, rsvdZ } from '../../reserved-fields.ts';

const CONTROL_FIELDS = {
  _r0: rsvdP(29, 0),
  IP: bit(30, 'Interrupt Pending', { access: 'RO', note: 'The message is held back by IM.' }),
  IM: bit(31, 'Interrupt Mask', {
    access: 'RW',
    reset: 1,
    note: 'Holds the message back; clearing it sends one that is pending.',
  }),
};

const DATA_FIELDS = {
  IMD: bits(15, 0, 'Interrupt Message Data', {
    access: 'RW',
    note: 'Vector in bits 7:0; bit 8 chooses lowest priority delivery.',
  }),
  _r16: rsvdZ(31, 16),
};

const ADDRESS_FIELDS = {
  _r0: rsvdZ(1, 0),
  MA: address(31, 2, 'Message Address', {
    shift: 2,
    access: 'RW',
    note: 'FEEh in bits 31:20 and the destination in bits 19:12.',
  }),
};

const UPPER_ADDRESS_FIELDS = {
  MUA: bits(31, 0, 'Message Upper Address', {
    access: 'RW',
    capability: 'EIM',
    format: 'hex',
    note: 'Destination bits 31:8 in the same place for x2APIC, else 0.',
  }),
};

/** Control, data, address and upper address registers of one event. */
export interface EventRegisters {
  readonly control: Register<typeof CONTROL_FIELDS>;
  readonly data: Register<typeof DATA_FIELDS>;
  readonly address: Register<typeof ADDRESS_FIELDS>;
  readonly upperAddress: Register<typeof UPPER_ADDRESS_FIELDS>;
}

interface EventPlace {
  readonly prefix: string;
  readonly event: string;
  readonly offset: number;
  /** In the order of `EventRegisters`. */
  readonly sources: readonly [SourceRef, SourceRef, SourceRef, SourceRef];
}

export function eventRegisters({ prefix, event, offset, sources }: EventPlace): EventRegisters {
  const [control, data, low, upper] = sources;
  return {
    control: defineRegister(`${prefix}CTL_REG`, {
      title: `${event} Event Control Register`,
      offset,
      bytes: 4,
      source: control,
      fields: CONTROL_FIELDS,
    }),
    data: defineRegister(`${prefix}DATA_REG`, {
      title: `${event} Event Data Register`,
      offset: offset + 4,
      bytes: 4,
      source: data,
      fields: DATA_FIELDS,
    }),
    address: defineRegister(`${prefix}ADDR_REG`, {
      title: `${event} Event Address Register`,
      offset: offset + 8,
      bytes: 4,
      source: low,
      fields: ADDRESS_FIELDS,
    }),
    upperAddress: defineRegister(`${prefix}UADDR_REG`, {
      title: `${event} Event Upper Address Register`,
      offset: offset + 12,
      bytes: 4,
      source: upper,
      fields: UPPER_ADDRESS_FIELDS,
    }),
  };
}
