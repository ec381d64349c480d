/**
 * Advanced error reporting extended capability. PCIe Base, "Advanced Error Reporting Extended Capability". The registers
 * store and clear as specified. Not modelled: reporting; refused requests show in the status register of the function.
 */
import { bit, bits, type FieldSpec } from '../../bits/field.ts';
import { defineRegister, type Register } from '../../bits/register-block.ts';
import { rsvdP, rsvdZ } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('Advanced Error Reporting Extended Capability');

type ErrorBit = readonly [index: number, name: string, title: string];

const UNCORRECTABLE = [
  [4, 'DLP', 'Data Link Protocol Error'],
  [5, 'SDE', 'Surprise Down Error'],
  [12, 'PTLP', 'Poisoned TLP Received'],
  [13, 'FCP', 'Flow Control Protocol Error'],
  [14, 'CT', 'Completion Timeout'],
  [15, 'CA', 'Completer Abort'],
  [16, 'UC', 'Unexpected Completion'],
  [17, 'RO', 'Receiver Overflow'],
  [18, 'MTLP', 'Malformed TLP'],
  [19, 'ECRC', 'ECRC Error'],
  [20, 'UR', 'Unsupported Request Error'],
  [21, 'ACSV', 'ACS Violation'],
  [22, 'UIE', 'Uncorrectable Internal Error'],
  [23, 'MCB', 'MC Blocked TLP'],
  [24, 'AOEB', 'AtomicOp Egress Blocked'],
  [25, 'TPB', 'TLP Prefix Blocked'],
  [26, 'PTEB', 'Poisoned TLP Egress Blocked'],
] as const satisfies readonly ErrorBit[];

const CORRECTABLE = [
  [0, 'RE', 'Receiver Error'],
  [6, 'BTLP', 'Bad TLP'],
  [7, 'BDLLP', 'Bad DLLP'],
  [8, 'RNR', 'REPLAY_NUM Rollover'],
  [12, 'RTT', 'Replay Timer Timeout'],
  [13, 'ANFE', 'Advisory Non-Fatal Error'],
  [14, 'CIE', 'Corrected Internal Error'],
  [15, 'HLO', 'Header Log Overflow'],
] as const satisfies readonly ErrorBit[];

type ErrorName<T extends readonly ErrorBit[]> = T[number][1];
type ErrorFields<T extends readonly ErrorBit[]> = Readonly<
  Record<ErrorName<T>, FieldSpec<number>> & Record<`_r${number}`, FieldSpec<bigint>>
>;

interface ErrorStyle<T extends readonly ErrorBit[]> {
  readonly access: 'RW1CS' | 'RWS';
  readonly note: string;
  readonly set?: readonly ErrorName<T>[];
}

/** One bit for each error, reserved bits between. */
function errorFields<const T extends readonly ErrorBit[]>(
  errors: T,
  { access, note, set = [] }: ErrorStyle<T>,
): ErrorFields<T> {
  const fields: Record<string, FieldSpec> = {};
  const gap = access === 'RW1CS' ? rsvdZ : rsvdP;
  let next = 0;
  for (const [index, name, title] of errors) {
    if (index > next) {
      fields[`_r${next}`] = gap(index - 1, next);
    }
    fields[name] = bit(index, title, { access, note, reset: set.some((s) => s === name) ? 1 : 0 });
    next = index + 1;
  }
  fields[`_r${next}`] = gap(31, next);
  return fields as unknown as ErrorFields<T>;
}

const STATUS_NOTE = 'The error has occurred.';
const MASK_NOTE = 'The error is not reported.';

export const AER_UNCORRECTABLE_STATUS = defineRegister('AER_UNCORRECTABLE_STATUS', {
  title: 'Uncorrectable Error Status Register',
  offset: 0x04,
  bytes: 4,
  source: SOURCE,
  fields: errorFields(UNCORRECTABLE, { access: 'RW1CS', note: STATUS_NOTE }),
});

export const AER_UNCORRECTABLE_MASK = defineRegister('AER_UNCORRECTABLE_MASK', {
  title: 'Uncorrectable Error Mask Register',
  offset: 0x08,
  bytes: 4,
  source: SOURCE,
  fields: errorFields(UNCORRECTABLE, { access: 'RWS', note: MASK_NOTE, set: ['UIE'] }),
});

export const AER_UNCORRECTABLE_SEVERITY = defineRegister('AER_UNCORRECTABLE_SEVERITY', {
  title: 'Uncorrectable Error Severity Register',
  offset: 0x0c,
  bytes: 4,
  source: SOURCE,
  fields: errorFields(UNCORRECTABLE, {
    access: 'RWS',
    note: 'The error is fatal.',
    set: ['MTLP', 'UIE'],
  }),
});

export const AER_CORRECTABLE_STATUS = defineRegister('AER_CORRECTABLE_STATUS', {
  title: 'Correctable Error Status Register',
  offset: 0x10,
  bytes: 4,
  source: SOURCE,
  fields: errorFields(CORRECTABLE, { access: 'RW1CS', note: STATUS_NOTE }),
});

export const AER_CORRECTABLE_MASK = defineRegister('AER_CORRECTABLE_MASK', {
  title: 'Correctable Error Mask Register',
  offset: 0x14,
  bytes: 4,
  source: SOURCE,
  fields: errorFields(CORRECTABLE, { access: 'RWS', note: MASK_NOTE, set: ['ANFE', 'CIE', 'HLO'] }),
});

export const AER_CONTROL = defineRegister('AER_CONTROL', {
  title: 'Advanced Error Capabilities and Control Register',
  offset: 0x18,
  bytes: 4,
  source: SOURCE,
  fields: {
    FEP: bits(4, 0, 'First Error Pointer', {
      access: 'ROS',
      note: 'Status bit of the first error.',
    }),
    EGC: bit(5, 'ECRC Generation Capable', { access: 'RO', note: 'Always 0.' }),
    EGE: bit(6, 'ECRC Generation Enable', { access: 'RO', note: 'Hardwired to 0.' }),
    ECC: bit(7, 'ECRC Check Capable', { access: 'RO', note: 'Always 0.' }),
    ECE: bit(8, 'ECRC Check Enable', { access: 'RO', note: 'Hardwired to 0.' }),
    MHRC: bit(9, 'Multiple Header Recording Capable', { access: 'RO', note: 'Always 0.' }),
    MHRE: bit(10, 'Multiple Header Recording Enable', { access: 'RO', note: 'Hardwired to 0.' }),
    TPLP: bit(11, 'TLP Prefix Log Present', { access: 'ROS', note: 'The prefix log is valid.' }),
    _r12: rsvdP(31, 12),
  },
});

function log(name: string, title: string, offset: number): Register {
  return defineRegister(name, {
    title,
    offset,
    bytes: 4,
    source: SOURCE,
    fields: { VALUE: bits(31, 0, title, { access: 'ROS', format: 'hex', note: 'First error.' }) },
  });
}

export const AerCapability = defineCapability({
  name: 'AER',
  title: 'Advanced Error Reporting',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.advancedErrorReporting,
  version: 2,
  bytes: 0x48,
  source: SOURCE,
  registers: {
    uncorrectableStatus: AER_UNCORRECTABLE_STATUS,
    uncorrectableMask: AER_UNCORRECTABLE_MASK,
    uncorrectableSeverity: AER_UNCORRECTABLE_SEVERITY,
    correctableStatus: AER_CORRECTABLE_STATUS,
    correctableMask: AER_CORRECTABLE_MASK,
    control: AER_CONTROL,
    headerLog0: log('AER_HEADER_LOG_0', 'Header Log 0', 0x1c),
    headerLog1: log('AER_HEADER_LOG_1', 'Header Log 1', 0x20),
    headerLog2: log('AER_HEADER_LOG_2', 'Header Log 2', 0x24),
    headerLog3: log('AER_HEADER_LOG_3', 'Header Log 3', 0x28),
    prefixLog0: log('AER_PREFIX_LOG_0', 'TLP Prefix Log 0', 0x38),
    prefixLog1: log('AER_PREFIX_LOG_1', 'TLP Prefix Log 1', 0x3c),
    prefixLog2: log('AER_PREFIX_LOG_2', 'TLP Prefix Log 2', 0x40),
    prefixLog3: log('AER_PREFIX_LOG_3', 'TLP Prefix Log 3', 0x44),
  },
});
