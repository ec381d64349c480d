/**
 * Virtual command interface as VT-d Rev 3.0 had it: other offsets, operand and result at bit 8, a two-bit status. Emulated
 * units of that time and Linux before 5.13 use it (drivers/iommu/intel/pasid.h).
 *
 * Field names are those of the present registers, so that the same code serves both.
 */
import { bit, bits, wide } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { linux } from '../../source.ts';
import { VIRTUAL_COMMAND } from './virtual-command.ts';

const SOURCE = linux('5.10, drivers/iommu/intel/pasid.h');

export const VIRTUAL_STATUS_REV_3_0 = { success: 0, undefinedCommand: 1, pasidProblem: 2 } as const;

export const VCCAP_REG_REV_3_0 = defineRegister('VCCAP_REG', {
  title: 'Virtual Command Capability Register (Rev 3.0)',
  offset: 0xe00,
  bytes: 8,
  source: SOURCE,
  fields: {
    PAS: bit(0, 'PASID Support', {
      access: 'RO',
      reset: 1,
      note: 'PASIDs can be allocated and freed.',
    }),
    _r1: rsvdZ(63, 1),
  },
});

export const VCMD_REG_REV_3_0 = defineRegister('VCMD_REG', {
  title: 'Virtual Command Register (Rev 3.0)',
  offset: 0xe10,
  bytes: 8,
  source: SOURCE,
  note: 'Acts on the write that contains CMD.',
  fields: {
    CMD: bits(7, 0, 'Command', {
      access: 'RW',
      values: VIRTUAL_COMMAND,
      note: 'Allocate or free a PASID.',
    }),
    OA: wide(63, 8, 'Operand', { access: 'RW', note: 'PASID to free, in the low 20 bits.' }),
  },
});

export const VCRSP_REG_REV_3_0 = defineRegister('VCRSP_REG', {
  title: 'Virtual Command Response Register (Rev 3.0)',
  offset: 0xe20,
  bytes: 8,
  source: SOURCE,
  fields: {
    IP: bit(0, 'In Progress', { access: 'RO', note: 'The VMM works on the command.' }),
    SC: bits(2, 1, 'Status Code', {
      access: 'RO',
      values: VIRTUAL_STATUS_REV_3_0,
      note: 'How it ended.',
    }),
    _r3: rsvdZ(7, 3),
    RSLT: wide(63, 8, 'Result', { access: 'RO', note: 'Allocated PASID in the low 20 bits.' }),
  },
});
