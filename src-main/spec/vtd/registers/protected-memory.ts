/**
 * Protected memory regions: closed to all DMA, remapped or not. VT-d 5.10 section 11.4.8.
 *
 * The number of programmable bits is up to the implementation; regions here have 2 MB steps. Hardware takes the bits below
 * as zeros in a base and as ones in a limit. Blocked DMA leaves no fault record.
 */
import { address, bit } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';

export const PROTECTED_REGION_SHIFT = 21;

const shift = PROTECTED_REGION_SHIFT;

export const PMEN_REG = defineRegister('PMEN_REG', {
  title: 'Protected Memory Enable Register',
  offset: 0x64,
  bytes: 4,
  source: vtd('11.4.8.1'),
  fields: {
    PRS: bit(0, 'Protected Region Status', { access: 'RO', note: 'The regions are closed.' }),
    _r1: rsvdZ(30, 1),
    EPM: bit(31, 'Enable Protected Memory', { access: 'RW', note: 'Closes the regions.' }),
  },
});

export const PLMBASE_REG = defineRegister('PLMBASE_REG', {
  title: 'Protected Low-Memory Base Register',
  offset: 0x68,
  bytes: 4,
  source: vtd('11.4.8.2'),
  fields: {
    _r0: rsvdZ(shift - 1, 0),
    PLMB: address(31, shift, 'Protected Low-Memory Base', {
      shift,
      access: 'RW',
      note: 'First byte of the region below 4 GB.',
    }),
  },
});

export const PLMLIMIT_REG = defineRegister('PLMLIMIT_REG', {
  title: 'Protected Low-Memory Limit Register',
  offset: 0x6c,
  bytes: 4,
  source: vtd('11.4.8.3'),
  fields: {
    _r0: rsvdZ(shift - 1, 0),
    PLML: address(31, shift, 'Protected Low-Memory Limit', {
      shift,
      access: 'RW',
      note: 'Last block of the region; below the base it disables the region.',
    }),
  },
});

export const PHMBASE_REG = defineRegister('PHMBASE_REG', {
  title: 'Protected High-Memory Base Register',
  offset: 0x70,
  bytes: 8,
  source: vtd('11.4.8.4'),
  fields: {
    _r0: rsvdZ(shift - 1, 0),
    PHMB: address(63, shift, 'Protected High-Memory Base', {
      shift,
      access: 'RW',
      validBits: 'HAW',
      note: 'First byte of the region above 4 GB.',
    }),
  },
});

export const PHMLIMIT_REG = defineRegister('PHMLIMIT_REG', {
  title: 'Protected High-Memory Limit Register',
  offset: 0x78,
  bytes: 8,
  source: vtd('11.4.8.5'),
  fields: {
    _r0: rsvdZ(shift - 1, 0),
    PHML: address(63, shift, 'Protected High-Memory Limit', {
      shift,
      access: 'RW',
      validBits: 'HAW',
      note: 'Last block of the region; below the base it disables the region.',
    }),
  },
});
