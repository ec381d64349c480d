/**
 * Page request interface extended capability. PCIe Base, "Page Request Extended Capability Structure".
 *
 * Reset is allowed only while Enable is 0. Stopped goes to 0 on enable, and back to 1 after the last response once disabled.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP, rsvdZ } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('Page Request Extended Capability Structure');

export const PRI_CONTROL = defineRegister('PRI_CONTROL', {
  title: 'Page Request Control Register',
  offset: 0x04,
  bytes: 2,
  source: SOURCE,
  fields: {
    ENABLE: bit(0, 'Enable', { access: 'RW', note: 'The function may send page requests.' }),
    RESET: bit(1, 'Reset', {
      access: 'WO',
      note: 'Writing 1 forgets outstanding requests; reads as 0.',
    }),
    _r2: rsvdP(15, 2),
  },
});

export const PRI_STATUS = defineRegister('PRI_STATUS', {
  title: 'Page Request Status Register',
  offset: 0x06,
  bytes: 2,
  source: SOURCE,
  fields: {
    RF: bit(0, 'Response Failure', {
      access: 'RW1C',
      note: 'A response told the function to stop.',
    }),
    UPRGI: bit(1, 'Unexpected Page Request Group Index', {
      access: 'RW1C',
      note: 'A response named a group that was never asked for.',
    }),
    _r2: rsvdZ(7, 2),
    STOPPED: bit(8, 'Stopped', {
      access: 'RO',
      reset: 1,
      note: 'Nothing is outstanding and no request will be sent.',
    }),
    _r9: rsvdZ(14, 9),
    PASIDR: bit(15, 'PRG Response PASID Required', {
      access: 'RO',
      note: 'Responses must carry the PASID of the request.',
    }),
  },
});

export const PRI_CAPACITY = defineRegister('PRI_CAPACITY', {
  title: 'Outstanding Page Request Capacity Register',
  offset: 0x08,
  bytes: 4,
  source: SOURCE,
  fields: {
    CAPACITY: bits(31, 0, 'Outstanding Page Request Capacity', {
      access: 'RO',
      format: 'decimal',
      note: 'Most requests the function could have outstanding.',
    }),
  },
});

export const PRI_ALLOCATION = defineRegister('PRI_ALLOCATION', {
  title: 'Outstanding Page Request Allocation Register',
  offset: 0x0c,
  bytes: 4,
  source: SOURCE,
  fields: {
    ALLOCATION: bits(31, 0, 'Outstanding Page Request Allocation', {
      access: 'RW',
      format: 'decimal',
      note: 'Most requests software lets it have.',
    }),
  },
});

export const PageRequestCapability = defineCapability({
  name: 'PRI',
  title: 'Page Request Interface',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.pageRequest,
  version: 1,
  bytes: 0x10,
  source: SOURCE,
  registers: {
    control: PRI_CONTROL,
    status: PRI_STATUS,
    capacity: PRI_CAPACITY,
    allocation: PRI_ALLOCATION,
  },
});
