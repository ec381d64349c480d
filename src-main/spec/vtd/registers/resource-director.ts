/** Resource Director Technology configuration. VT-d 5.10 section 11.4. Not modelled: the register only stores. */
import { bits } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';

export const RDTC_REG = defineRegister('RDTC_REG', {
  title: 'Resource Director Technology Configuration Register',
  offset: 0xdc0,
  bytes: 8,
  source: vtd('11.4'),
  isUnimplemented: true,
  fields: {
    RMID: bits(11, 0, 'Resource Monitoring Identifier', {
      access: 'RW',
      note: 'Tags the memory traffic of the unit itself.',
    }),
    _r12: rsvdZ(31, 12),
    CLOS: bits(36, 32, 'Class of Service', {
      access: 'RW',
      note: 'Resource share of the unit itself.',
    }),
    _r37: rsvdZ(63, 37),
  },
});
