/**
 * Invalidation queue registers. VT-d 5.10 section 11.4.9.
 *
 * Head and tail registers hold byte offsets: bits 3:0 are always 0, so the register value is the offset. With 256-bit
 * descriptors bit 4 is 0 as well.
 */
import { address, bit, bits } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';
import { IQEI } from '../invalidation-queue-error.ts';
import { eventRegisters } from './event-registers.ts';

export const IQH_REG = defineRegister('IQH_REG', {
  title: 'Invalidation Queue Head Register',
  offset: 0x80,
  bytes: 8,
  source: vtd('11.4.9.1'),
  fields: {
    _r0: rsvdZ(3, 0),
    QH: bits(18, 4, 'Queue Head', {
      access: 'RO',
      format: 'decimal',
      note: 'Next descriptor hardware fetches, in units of 16 bytes.',
    }),
    _r19: rsvdZ(63, 19),
  },
});

export const IQT_REG = defineRegister('IQT_REG', {
  title: 'Invalidation Queue Tail Register',
  offset: 0x88,
  bytes: 8,
  source: vtd('11.4.9.2'),
  fields: {
    _r0: rsvdZ(3, 0),
    QT: bits(18, 4, 'Queue Tail', {
      access: 'RW',
      format: 'decimal',
      note: 'Next free descriptor, in units of 16 bytes; writing it starts hardware.',
    }),
    _r19: rsvdZ(63, 19),
  },
});

export const IQA_REG = defineRegister('IQA_REG', {
  title: 'Invalidation Queue Address Register',
  offset: 0x90,
  bytes: 8,
  source: vtd('11.4.9.3'),
  fields: {
    QS: bits(2, 0, 'Queue Size', {
      access: 'RW',
      format: 'decimal',
      note: 'The queue has 2^QS pages of 4 KB.',
    }),
    _r3: rsvdZ(10, 3),
    DW: bit(11, 'Descriptor Width', {
      access: 'RW',
      values: { bits128: 0, bits256: 1 },
      note: '256-bit descriptors; needed in scalable mode.',
    }),
    IQA: address(63, 12, 'Invalidation Queue Base Address', {
      access: 'RW',
      validBits: 'HAW',
      note: 'Host physical address of the queue.',
    }),
  },
});

export const ICS_REG = defineRegister('ICS_REG', {
  title: 'Invalidation Completion Status Register',
  offset: 0x9c,
  bytes: 4,
  source: vtd('11.4.9.4'),
  fields: {
    IWC: bit(0, 'Invalidation Wait Descriptor Complete', {
      access: 'RW1CS',
      note: 'A wait descriptor with IF=1 has completed.',
    }),
    _r1: rsvdZ(31, 1),
  },
});

export const {
  control: IECTL_REG,
  data: IEDATA_REG,
  address: IEADDR_REG,
  upperAddress: IEUADDR_REG,
} = eventRegisters({
  prefix: 'IE',
  event: 'Invalidation Completion',
  offset: 0xa0,
  sources: [vtd('11.4.9.5'), vtd('11.4.9.6'), vtd('11.4.9.7'), vtd('11.4.9.8')],
});

export const IQERCD_REG = defineRegister('IQERCD_REG', {
  title: 'Invalidation Queue Error Record Register',
  offset: 0xb0,
  bytes: 8,
  source: vtd('11.4.9.9'),
  fields: {
    IQEI: bits(3, 0, 'Invalidation Queue Error Info', {
      access: 'ROS',
      values: IQEI,
      note: 'Why FSTS_REG.IQE was set.',
    }),
    _r4: rsvdZ(31, 4),
    ITESID: bits(47, 32, 'Invalidation Time-out Error Source Identifier', {
      access: 'ROS',
      capability: 'DT',
      note: 'Device that did not answer in time.',
    }),
    ICESID: bits(63, 48, 'Invalidation Completion Error Source Identifier', {
      access: 'ROS',
      capability: 'DT',
      note: 'Device that sent the unexpected completion.',
    }),
  },
});
