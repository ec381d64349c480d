/**
 * TLP processing hints requester extended capability with a table of two entries. PCIe Base, "TPH Requester Extended
 * Capability". Hints have no effect in the lab.
 */
import { bit, bits } from '../../bits/field.ts';
import { defineRegister } from '../../bits/register-block.ts';
import { rsvdP } from '../reserved-fields.ts';
import { pcie } from '../source.ts';
import { EXTENDED_CAPABILITY_ID } from './capability-id.ts';
import { defineCapability } from './capability.ts';

const SOURCE = pcie('TPH Requester Extended Capability');

export const TPH_CAPABILITY = defineRegister('TPH_CAPABILITY', {
  title: 'TPH Requester Capability Register',
  offset: 0x04,
  bytes: 4,
  source: SOURCE,
  fields: {
    NOST: bit(0, 'No ST Mode Supported', { access: 'RO', reset: 1, note: 'Hints without tags.' }),
    IV: bit(1, 'Interrupt Vector Mode Supported', { access: 'RO', note: 'Tags by vector.' }),
    DS: bit(2, 'Device Specific Mode Supported', { access: 'RO', reset: 1, note: 'Own tags.' }),
    _r3: rsvdP(7, 3),
    EXT: bit(8, 'Extended TPH Requester Supported', { access: 'RO', note: '16-bit tags.' }),
    LOC: bits(10, 9, 'ST Table Location', {
      access: 'RO',
      values: { none: 0, capability: 1, msiX: 2 },
      reset: 1,
      note: 'Where the tags are stored.',
    }),
    _r11: rsvdP(15, 11),
    SIZE: bits(26, 16, 'ST Table Size', {
      access: 'RO',
      reset: 1,
      format: 'decimal',
      note: 'The table has SIZE+1 entries.',
    }),
    _r27: rsvdP(31, 27),
  },
});

export const TPH_CONTROL = defineRegister('TPH_CONTROL', {
  title: 'TPH Requester Control Register',
  offset: 0x08,
  bytes: 4,
  source: SOURCE,
  fields: {
    MODE: bits(2, 0, 'ST Mode Select', { access: 'RW', note: 'Which mode is used.' }),
    _r3: rsvdP(7, 3),
    ENABLE: bits(9, 8, 'TPH Requester Enable', { access: 'RW', note: 'Hints may be sent.' }),
    _r10: rsvdP(31, 10),
  },
});

function steeringTag(index: number) {
  return defineRegister(`TPH_ST_${index}`, {
    title: `TPH ST Entry ${index}`,
    offset: 0x0c + 2 * index,
    bytes: 2,
    source: SOURCE,
    fields: {
      LOW: bits(7, 0, 'ST Lower', { access: 'RW', note: 'Steering tag.' }),
      HIGH: bits(15, 8, 'ST Upper', { access: 'RW', note: 'Steering tag, extended part.' }),
    },
  });
}

export const TphRequesterCapability = defineCapability({
  name: 'TPH',
  title: 'TPH Requester',
  kind: 'extended',
  id: EXTENDED_CAPABILITY_ID.tphRequester,
  version: 1,
  bytes: 0x10,
  source: SOURCE,
  registers: {
    capability: TPH_CAPABILITY,
    control: TPH_CONTROL,
    st0: steeringTag(0),
    st1: steeringTag(1),
  },
});
