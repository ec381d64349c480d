/** Interrupt remapping table address. VT-d 5.10 section 11.4.10. No effect before GCMD_REG.SIRTP. */
import { address, bit, bits } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';

export const IRTA_REG = defineRegister('IRTA_REG', {
  title: 'Interrupt Remapping Table Address Register',
  offset: 0xb8,
  bytes: 8,
  source: vtd('11.4.10'),
  fields: {
    S: bits(3, 0, 'Size', {
      access: 'RW',
      format: 'decimal',
      note: 'The table has 2^(S+1) entries of 16 bytes.',
    }),
    _r4: rsvdZ(10, 4),
    EIME: bit(11, 'Extended Interrupt Mode Enable', {
      access: 'RW',
      capability: 'EIM',
      note: 'Destinations in the table are 32-bit x2APIC identifiers.',
    }),
    IRTA: address(63, 12, 'Interrupt Remapping Table Address', {
      access: 'RW',
      validBits: 'HAW',
      note: 'Host physical address of the table.',
    }),
  },
});
