/**
 * Page request queue registers. VT-d 5.10 section 11.4.11.
 *
 * Head and tail hold byte offsets of 32-byte descriptors. Software moves the head; hardware moves the tail, which software
 * only initialises.
 */
import { address, bit, bits } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';
import { eventRegisters } from './event-registers.ts';

export const PQH_REG = defineRegister('PQH_REG', {
  title: 'Page Request Queue Head Register',
  offset: 0xc0,
  bytes: 8,
  source: vtd('11.4.11.1'),
  fields: {
    _r0: rsvdZ(4, 0),
    PQH: bits(18, 5, 'Page Request Queue Head', {
      access: 'RW',
      format: 'decimal',
      note: 'Next descriptor software will read, in units of 32 bytes.',
    }),
    _r19: rsvdZ(63, 19),
  },
});

export const PQT_REG = defineRegister('PQT_REG', {
  title: 'Page Request Queue Tail Register',
  offset: 0xc8,
  bytes: 8,
  source: vtd('11.4.11.2'),
  fields: {
    _r0: rsvdZ(4, 0),
    PQT: bits(18, 5, 'Page Request Queue Tail', {
      access: 'RW',
      format: 'decimal',
      note: 'Next descriptor hardware will write, in units of 32 bytes.',
    }),
    _r19: rsvdZ(63, 19),
  },
});

export const PQA_REG = defineRegister('PQA_REG', {
  title: 'Page Request Queue Address Register',
  offset: 0xd0,
  bytes: 8,
  source: vtd('11.4.11.3'),
  fields: {
    PQS: bits(2, 0, 'Page Request Queue Size', {
      access: 'RW',
      format: 'decimal',
      note: 'The queue has 2^PQS pages of 4 KB, that is 2^(PQS+7) descriptors.',
    }),
    _r3: rsvdZ(11, 3),
    PQA: address(63, 12, 'Page Request Queue Base Address', {
      access: 'RW',
      validBits: 'HAW',
      note: 'Host physical address of the queue.',
    }),
  },
});

export const PRS_REG = defineRegister('PRS_REG', {
  title: 'Page Request Status Register',
  offset: 0xdc,
  bytes: 4,
  source: vtd('11.4.11.4'),
  fields: {
    PPR: bit(0, 'Pending Page Request', {
      access: 'RW1CS',
      note: 'A request was queued; software clears it before it reads the queue.',
    }),
    PRO: bit(1, 'Page Request Overflow', {
      access: 'RW1CS',
      note: 'The queue was full; until software clears it, requests are answered by hardware.',
    }),
    _r2: rsvdZ(31, 2),
  },
});

export const {
  control: PECTL_REG,
  data: PEDATA_REG,
  address: PEADDR_REG,
  upperAddress: PEUADDR_REG,
} = eventRegisters({
  prefix: 'PE',
  event: 'Page Request',
  offset: 0xe0,
  sources: [vtd('11.4.11.5'), vtd('11.4.11.6'), vtd('11.4.11.7'), vtd('11.4.11.8')],
});
