/** Alternative routing-ID extended capability: up to 256 functions on one bus. PCIe Base, "ARI Extended Capability". */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('ARI Extended Capability');

export const ARI_CAPABILITY = defineRegister('ARI_CAPABILITY', {
  title: 'ARI Capability Register',
  offset: 0x04,
  bytes: 2,
  source: SOURCE,
  fields: {
    MFVC: bit(0, 'MFVC Function Groups', { access: 'RO', note: 'Groups for virtual channels.' }),
    ACS: bit(1, 'ACS Function Groups', { access: 'RO', note: 'Groups for egress control.' }),
    _r2: rsvdP(7, 2),
    NEXT: bits(15, 8, 'Next Function Number', {
      access: 'RO',
      format: 'decimal',
      note: 'Next function of the device; 0 at the end.',
    }),
  },
});

export const ARI_CONTROL = defineRegister('ARI_CONTROL', {
  title: 'ARI Control Register',
  offset: 0x06,
  bytes: 2,
  source: SOURCE,
  fields: {
    MFVC: bit(0, 'MFVC Function Groups Enable', { access: 'RW', note: 'Use the groups.' }),
    ACS: bit(1, 'ACS Function Groups Enable', { access: 'RW', note: 'Use the groups.' }),
    _r2: rsvdP(3, 2),
    GROUP: bits(6, 4, 'Function Group', { access: 'RW', note: 'Group of this function.' }),
    _r7: rsvdP(15, 7),
  },
});

export const AriCapability = defineCapability({
  name: 'ARI',
  title: 'Alternative Routing-ID Interpretation',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.alternativeRoutingId,
  version: 1,
  bytes: 8,
  source: SOURCE,
  registers: { capability: ARI_CAPABILITY, control: ARI_CONTROL },
});
