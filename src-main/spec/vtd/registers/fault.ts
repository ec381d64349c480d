/**
 * Fault status, fault event and fault recording registers. VT-d 5.10 section 11.4.7.
 *
 * The number and the place of the recording registers come from CAP_REG; a record is also declared as a structure, so that
 * the same decoding serves registers and trace records. Only primary logging exists since revision 4.
 */
import { address, bit, bits, reserved } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { defineStructure } from '../../../bits/structure.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';
import { eventRegisters } from './event-registers.ts';

export const FSTS_REG = defineRegister('FSTS_REG', {
  title: 'Fault Status Register',
  offset: 0x34,
  bytes: 4,
  source: vtd('11.4.7.1'),
  fields: {
    PFO: bit(0, 'Primary Fault Overflow', {
      access: 'RW1CS',
      note: 'A fault was lost because its recording register was still in use.',
    }),
    PPF: bit(1, 'Primary Pending Fault', {
      access: 'ROS',
      note: 'Some recording register holds a fault: the OR of all F fields.',
    }),
    _r2: rsvdZ(3, 2),
    IQE: bit(4, 'Invalidation Queue Error', {
      access: 'RW1CS',
      note: 'The queue stopped; IQERCD_REG says why.',
    }),
    ICE: bit(5, 'Invalidation Completion Error', {
      access: 'RW1CS',
      capability: 'DT',
      note: 'A device answered an invalidation it was not sent.',
    }),
    ITE: bit(6, 'Invalidation Time-out Error', {
      access: 'RW1CS',
      capability: 'DT',
      note: 'A device did not answer an invalidation in time.',
    }),
    _r7: rsvdZ(7),
    FRI: bits(15, 8, 'Fault Record Index', {
      access: 'ROS',
      format: 'decimal',
      note: 'Recording register of the first pending fault; meaningless when PPF=0.',
    }),
    _r16: rsvdZ(31, 16),
  },
});

export const {
  control: FECTL_REG,
  data: FEDATA_REG,
  address: FEADDR_REG,
  upperAddress: FEUADDR_REG,
} = eventRegisters({
  prefix: 'FE',
  event: 'Fault',
  offset: 0x38,
  sources: [vtd('11.4.7.2'), vtd('11.4.7.3'), vtd('11.4.7.4'), vtd('11.4.7.5')],
});

/** Request type as T1 and T2 spell it: `2 * T1 + T2`. */
export const FAULT_REQUEST_TYPE = {
  write: 0b00,
  pageRequest: 0b01,
  read: 0b10,
  atomic: 0b11,
} as const;

/** PCI Express address type of the request that faulted. */
export const FAULT_ADDRESS_TYPE = {
  untranslated: 0b00,
  translation: 0b01,
  translated: 0b10,
} as const;

const ROS = { access: 'ROS' } as const;

const RECORD_FIELDS = {
  _r0: reserved(11, 0, { access: 'RsvdZ' }),
  FI: address(63, 12, 'Fault Information', {
    ...ROS,
    note: 'Page of the faulting address; for interrupts, bits 63:48 are the interrupt index.',
  }),
  SID: bits(79, 64, 'Source Identifier', { ...ROS, note: 'Who sent the request.' }),
  _r80: reserved(91, 80, { access: 'RsvdZ' }),
  T2: bit(92, 'Type bit 2', {
    ...ROS,
    note: 'With T1: 00 write, 01 page request, 10 read, 11 atomic.',
  }),
  PRIV: bit(93, 'Privilege Mode Requested', {
    ...ROS,
    capability: 'PASID',
    note: 'The request asked for supervisor rights; counts with PP=1.',
  }),
  EXE: bit(94, 'Execute Permission Requested', {
    ...ROS,
    capability: 'PASID',
    note: 'The request asked for execute permission; counts for reads with PP=1.',
  }),
  PP: bit(95, 'PASID Present', {
    ...ROS,
    capability: 'PASID',
    note: 'The request carried a PASID; 0 even where RID_PASID stood in.',
  }),
  FR: bits(103, 96, 'Fault Reason', { ...ROS, format: 'hex', note: 'Code of the condition.' }),
  PV: bits(123, 104, 'PASID Value', {
    ...ROS,
    capability: 'PASID',
    format: 'hex',
    note: 'Counts with PP=1.',
  }),
  AT: bits(125, 124, 'Address Type', {
    ...ROS,
    capability: 'DT',
    values: FAULT_ADDRESS_TYPE,
    note: 'Untranslated, translation or translated request.',
  }),
  T1: bit(126, 'Type bit 1', {
    ...ROS,
    note: 'With T2: 00 write, 01 page request, 10 read, 11 atomic.',
  }),
  F: bit(127, 'Fault', {
    access: 'RW1CS',
    note: 'The record is valid; software writes 1 to free it.',
  }),
};

const RECORD_TITLE = 'Fault Recording Register';
const RECORD_SOURCE = vtd('11.4.7.6');

export const FaultRecord = defineStructure({
  name: 'FaultRecord',
  title: RECORD_TITLE,
  bytes: 16,
  source: RECORD_SOURCE,
  note: 'What the unit remembers of one fault.',
  fields: RECORD_FIELDS,
});

/** Offset within the array of recording registers; see `vtdRegisterBlock`. */
export const FRCD_REG = defineRegister('FRCD_REG', {
  title: RECORD_TITLE,
  offset: 0x0,
  bytes: 16,
  source: RECORD_SOURCE,
  fields: RECORD_FIELDS,
});
