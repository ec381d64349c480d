/**
 * PASID extended capability. PCIe Base, "PASID Extended Capability Structure".
 *
 * The enable must not change while ATS is enabled.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('PASID Extended Capability Structure');

export const PASID_CAPABILITY = defineRegister('PASID_CAPABILITY', {
  title: 'PASID Capability Register',
  offset: 0x04,
  bytes: 2,
  source: SOURCE,
  fields: {
    _r0: rsvdP(0),
    EXEC: bit(1, 'Execute Permission Supported', {
      access: 'RO',
      note: 'Requests can ask for execute permission.',
    }),
    PRIV: bit(2, 'Privileged Mode Supported', {
      access: 'RO',
      note: 'Requests can ask for supervisor rights.',
    }),
    _r3: rsvdP(7, 3),
    WIDTH: bits(12, 8, 'Max PASID Width', {
      access: 'RO',
      format: 'decimal',
      note: 'PASIDs have this many bits; 20 for Scalable IOV.',
    }),
    _r13: rsvdP(15, 13),
  },
});

export const PASID_CONTROL = defineRegister('PASID_CONTROL', {
  title: 'PASID Control Register',
  offset: 0x06,
  bytes: 2,
  source: SOURCE,
  fields: {
    ENABLE: bit(0, 'PASID Enable', { access: 'RW', note: 'Requests may carry a PASID.' }),
    EXEC: bit(1, 'Execute Permission Enable', {
      access: 'RW',
      note: 'Requests may ask for execute permission.',
    }),
    PRIV: bit(2, 'Privileged Mode Enable', {
      access: 'RW',
      note: 'Requests may ask for supervisor rights.',
    }),
    _r3: rsvdP(15, 3),
  },
});

export const PasidCapability = defineCapability({
  name: 'PASID',
  title: 'Process Address Space ID',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.pasid,
  version: 1,
  bytes: 8,
  source: SOURCE,
  registers: { capability: PASID_CAPABILITY, control: PASID_CONTROL },
});
