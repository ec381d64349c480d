/**
 * The first 64 bytes of a configuration space. PCIe Base, "Type 0 Configuration Space Header"; what ports have instead of BARs
 * is in `bridge-header.ts`.
 *
 * Not modelled: I/O space, INTx, expansion ROM, built-in self test. Their registers read as zero. All functions of the lab
 * use memory BARs and message signalled interrupts.
 */
import { bit, bits, type FieldSpec } from '../../bits/field.ts';
import { invariant } from '../../bits/invariant.ts';
import {
  defineRegister,
  refineRegister,
  withResets,
  type Register,
} from '../../bits/register-block.ts';
import { rsvdP, rsvdZ } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { bridgeRegisters, type BusNumbers } from './bridge-header.ts';

const COMMON = pcie('Common Configuration Space');
const TYPE_0 = pcie('Type 0 Configuration Space Header');

function constant(name: string, title: string, offset: number, bytes: 1 | 2, note: string) {
  return defineRegister(name, {
    title,
    offset,
    bytes,
    source: COMMON,
    fields: {
      VALUE: bits(8 * bytes - 1, 0, title, { access: 'RO', format: 'hex', note }),
    },
  });
}

export const VENDOR_ID = constant(
  'VENDOR_ID',
  'Vendor Identifier',
  0x00,
  2,
  'Who made the device.',
);
export const DEVICE_ID = constant('DEVICE_ID', 'Device Identifier', 0x02, 2, 'Which device it is.');

export const COMMAND = defineRegister('COMMAND', {
  title: 'Command Register',
  offset: 0x04,
  bytes: 2,
  source: COMMON,
  fields: {
    IOSE: bit(0, 'I/O Space Enable', { access: 'RO', note: 'Hardwired to 0.' }),
    MSE: bit(1, 'Memory Space Enable', { access: 'RW', note: 'The function answers at its BARs.' }),
    BME: bit(2, 'Bus Master Enable', { access: 'RW', note: 'The function may send requests.' }),
    _r3: rsvdP(5, 3),
    PER: bit(6, 'Parity Error Response', { access: 'RW', note: 'Poisoned data is reported.' }),
    _r7: rsvdP(7),
    SERR: bit(8, 'SERR Enable', { access: 'RW', note: 'Errors are reported to the root complex.' }),
    _r9: rsvdP(9),
    INTXD: bit(10, 'Interrupt Disable', {
      access: 'RO',
      note: 'Hardwired to 0: there is no INTx.',
    }),
    _r11: rsvdP(15, 11),
  },
});

export const STATUS = defineRegister('STATUS', {
  title: 'Status Register',
  offset: 0x06,
  bytes: 2,
  source: COMMON,
  fields: {
    _r0: rsvdZ(2, 0),
    INTXS: bit(3, 'Interrupt Status', { access: 'RO', note: 'Hardwired to 0.' }),
    CAPL: bit(4, 'Capabilities List', {
      access: 'RO',
      reset: 1,
      note: 'The capabilities pointer is valid.',
    }),
    _r5: rsvdZ(7, 5),
    MDPE: bit(8, 'Master Data Parity Error', { access: 'RW1C', note: 'Poisoned data was met.' }),
    _r9: rsvdZ(10, 9),
    STA: bit(11, 'Signaled Target Abort', {
      access: 'RW1C',
      note: 'A request was ended with Completer Abort.',
    }),
    RTA: bit(12, 'Received Target Abort', {
      access: 'RW1C',
      note: 'A request of the function got Completer Abort.',
    }),
    RMA: bit(13, 'Received Master Abort', {
      access: 'RW1C',
      note: 'A request of the function got Unsupported Request.',
    }),
    SSE: bit(14, 'Signaled System Error', { access: 'RW1C', note: 'An error message was sent.' }),
    DPE: bit(15, 'Detected Parity Error', { access: 'RW1C', note: 'Poisoned data was received.' }),
  },
});

export const REVISION_ID = constant('REVISION_ID', 'Revision Identifier', 0x08, 1, 'Stepping.');
export const PROG_IF = constant('PROG_IF', 'Programming Interface', 0x09, 1, 'Class code 7:0.');
export const SUB_CLASS = constant('SUB_CLASS', 'Sub-class Code', 0x0a, 1, 'Class code 15:8.');
export const BASE_CLASS = constant('BASE_CLASS', 'Base Class Code', 0x0b, 1, 'Class code 23:16.');

export const CACHE_LINE_SIZE = defineRegister('CACHE_LINE_SIZE', {
  title: 'Cache Line Size',
  offset: 0x0c,
  bytes: 1,
  source: COMMON,
  fields: {
    VALUE: bits(7, 0, 'Cache Line Size', { access: 'RW', note: 'Stored without effect.' }),
  },
});

export const LATENCY_TIMER = constant('LATENCY_TIMER', 'Latency Timer', 0x0d, 1, 'Always 0.');

export const HEADER_TYPE = defineRegister('HEADER_TYPE', {
  title: 'Header Type',
  offset: 0x0e,
  bytes: 1,
  source: COMMON,
  fields: {
    LAYOUT: bits(6, 0, 'Header layout', {
      access: 'RO',
      values: { type0: 0, type1: 1 },
      note: '0 for endpoints, 1 for ports.',
    }),
    MFD: bit(7, 'Multi-Function Device', { access: 'RO', note: 'The device has more functions.' }),
  },
});

export const BIST = constant('BIST', 'Built-in Self Test', 0x0f, 1, 'Not supported.');

export const SUBSYSTEM_VENDOR_ID = constant(
  'SUBSYSTEM_VENDOR_ID',
  'Subsystem Vendor Identifier',
  0x2c,
  2,
  'Who made the board.',
);
export const SUBSYSTEM_ID = constant(
  'SUBSYSTEM_ID',
  'Subsystem Identifier',
  0x2e,
  2,
  'Which board.',
);

export const CAPABILITIES_POINTER = constant(
  'CAPABILITIES_POINTER',
  'Capabilities Pointer',
  0x34,
  1,
  'Offset of the first capability.',
);

export const INTERRUPT_LINE = constant('INTERRUPT_LINE', 'Interrupt Line', 0x3c, 1, 'Always 0.');
export const INTERRUPT_PIN = constant('INTERRUPT_PIN', 'Interrupt Pin', 0x3d, 1, '0: no INTx.');

const BAR_COUNT = 6;
const FIRST_BAR_OFFSET = 0x10;
const BAR_ADDRESS_LOW = 4;

export interface BarSpec {
  /** 0 to 5; a 64-bit BAR takes the next one too. */
  readonly index: number;
  /** A power of two, at least 16. */
  readonly bytes: number;
  readonly is64Bit?: boolean;
  readonly isPrefetchable?: boolean;
}

const BASE_NOTE = 'Where the region is; low bits that the size makes 0 cannot be written.';

function lowBar({ index, bytes, is64Bit = false, isPrefetchable = false }: BarSpec): Register {
  // From 4 GiB on, no bit of this half can be written: the size shows in the upper half alone.
  const low = Math.min(32, Math.log2(bytes));
  const fields: Record<string, FieldSpec> = {
    IOS: bit(0, 'I/O Space', { access: 'RO', note: '0: memory.' }),
    TYPE: bits(2, 1, 'Type', {
      access: 'RO',
      values: { bits32: 0, bits64: 2 },
      reset: is64Bit ? 2 : 0,
      note: 'Width of the address.',
    }),
    PREF: bit(3, 'Prefetchable', {
      access: 'RO',
      reset: isPrefetchable ? 1 : 0,
      note: 'Reads have no side effects.',
    }),
  };
  if (low < 32) {
    fields['BASE'] = bits(31, low, 'Base Address', {
      access: 'RW',
      format: 'hex',
      note: BASE_NOTE,
    });
  }
  if (low > BAR_ADDRESS_LOW) {
    fields['_r4'] = rsvdZ(low - 1, BAR_ADDRESS_LOW);
  }
  return defineRegister(`BAR${index}`, {
    title: `Base Address Register ${index}`,
    offset: FIRST_BAR_OFFSET + 4 * index,
    bytes: 4,
    source: TYPE_0,
    fields,
  });
}

function highBar({ index, bytes }: BarSpec): Register {
  const low = Math.max(0, Math.log2(bytes) - 32);
  const fields: Record<string, FieldSpec> = {
    BASE: bits(31, low, 'Base Address, upper part', {
      access: 'RW',
      format: 'hex',
      note: BASE_NOTE,
    }),
  };
  if (low > 0) {
    fields['_r0'] = rsvdZ(low - 1, 0);
  }
  return defineRegister(`BAR${index + 1}`, {
    title: `Base Address Register ${index + 1}, upper half of ${index}`,
    offset: FIRST_BAR_OFFSET + 4 * (index + 1),
    bytes: 4,
    source: TYPE_0,
    fields,
  });
}

/** The registers of one BAR: two when it is 64 bits wide. */
export function barRegisters(bar: BarSpec): readonly Register[] {
  const { index, bytes, is64Bit = false } = bar;
  const maxBytes = is64Bit ? 2 ** 63 : 2 ** 31;
  invariant(
    Number.isInteger(Math.log2(bytes)) && bytes >= 2 ** BAR_ADDRESS_LOW && bytes <= maxBytes,
    `BAR${index}: ${bytes} bytes are not a size a BAR can have`,
  );
  invariant(index >= 0 && index + (is64Bit ? 1 : 0) < BAR_COUNT, `BAR${index} does not exist`);
  return is64Bit ? [lowBar(bar), highBar(bar)] : [lowBar(bar)];
}

export interface HeaderSpec {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revision?: number;
  /** 24 bits: base class, sub-class, programming interface. */
  readonly classCode: number;
  readonly subsystemVendorId?: number;
  readonly subsystemId?: number;
  readonly isMultiFunction?: boolean;
  readonly bars?: readonly BarSpec[];
  /** A port: a type 1 header, without BARs and subsystem. */
  readonly buses?: BusNumbers;
  /** Virtual functions have no BARs of their own and only BME in the command register. */
  readonly isVirtualFunction?: boolean;
}

function classByte(code: number, index: number): number {
  return Math.floor(code / 256 ** index) % 256;
}

/** Only BME remains; what the physical function decides reads as zero. */
function virtualCommand(): Register {
  return refineRegister(COMMAND, ({ name, spec }) =>
    name === 'BME' || spec.role !== 'value' ? undefined : { access: 'RO' },
  );
}

/** The header of one function, but for the capabilities pointer, which `configSpace` adds. */
export function configHeader(spec: HeaderSpec): readonly Register[] {
  const { isVirtualFunction = false, bars = [], buses } = spec;
  invariant(!isVirtualFunction || bars.length === 0, 'A virtual function has no BARs of its own');
  invariant(buses === undefined || bars.length === 0, 'A port has no BARs');
  return [
    withResets(VENDOR_ID, { VALUE: spec.vendorId }),
    withResets(DEVICE_ID, { VALUE: spec.deviceId }),
    isVirtualFunction ? virtualCommand() : COMMAND,
    STATUS,
    withResets(REVISION_ID, { VALUE: spec.revision ?? 0 }),
    withResets(PROG_IF, { VALUE: classByte(spec.classCode, 0) }),
    withResets(SUB_CLASS, { VALUE: classByte(spec.classCode, 1) }),
    withResets(BASE_CLASS, { VALUE: classByte(spec.classCode, 2) }),
    CACHE_LINE_SIZE,
    LATENCY_TIMER,
    withResets(HEADER_TYPE, {
      LAYOUT: buses === undefined ? 0 : 1,
      MFD: spec.isMultiFunction === true ? 1 : 0,
    }),
    BIST,
    ...(buses === undefined
      ? [
          ...bars.flatMap(barRegisters),
          withResets(SUBSYSTEM_VENDOR_ID, { VALUE: spec.subsystemVendorId ?? 0 }),
          withResets(SUBSYSTEM_ID, { VALUE: spec.subsystemId ?? 0 }),
        ]
      : bridgeRegisters(buses)),
    INTERRUPT_LINE,
    INTERRUPT_PIN,
  ];
}
