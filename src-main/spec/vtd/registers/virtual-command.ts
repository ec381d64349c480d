/**
 * Virtual command interface: a guest asks its VMM for host PASIDs. VT-d 5.10 section 11.4.16.
 *
 * Only emulated units have it. Commands written while VCRSP_REG.IP=1 are dropped. Revisions before 4 had other offsets.
 */
import { bit, bits, wide } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';

const SOURCE = vtd('11.4.16');

export const VIRTUAL_COMMAND = { none: 0, allocatePasid: 1, freePasid: 2 } as const;

/** 16 means "no PASID available" to allocate and "invalid PASID" to free. */
export const VIRTUAL_STATUS = { success: 0, undefinedCommand: 1, pasidProblem: 16 } as const;

/** The PASID sits in bits 19:0 of the operand of free and of the result of allocate. */
export const VIRTUAL_COMMAND_PASID_BITS = 20;

export const VCMD_REG = defineRegister('VCMD_REG', {
  title: 'Virtual Command Register',
  offset: 0xe00,
  bytes: 8,
  source: SOURCE,
  note: 'Acts on the write that contains CMD.',
  fields: {
    CMD: bits(7, 0, 'Command', {
      access: 'RW',
      values: VIRTUAL_COMMAND,
      note: 'Allocate or free a PASID.',
    }),
    _r8: rsvdZ(15, 8),
    OA: wide(63, 16, 'Operand A', { access: 'RW', note: 'PASID to free, in the low 20 bits.' }),
  },
});

export const VCMD_EO_REG = defineRegister('VCMD_EO_REG', {
  title: 'Virtual Command Extended Operand Register',
  offset: 0xe08,
  bytes: 8,
  source: SOURCE,
  fields: { OB: wide(63, 0, 'Operand B', { access: 'RW', note: 'No command uses it today.' }) },
});

export const VCRSP_REG = defineRegister('VCRSP_REG', {
  title: 'Virtual Command Response Register',
  offset: 0xe10,
  bytes: 8,
  source: SOURCE,
  fields: {
    IP: bit(0, 'In Progress', { access: 'RO', note: 'The VMM works on the command.' }),
    SC: bits(7, 1, 'Status Code', { access: 'RO', values: VIRTUAL_STATUS, note: 'How it ended.' }),
    _r8: rsvdZ(15, 8),
    RSLT: wide(63, 16, 'Result', { access: 'RO', note: 'Allocated PASID in the low 20 bits.' }),
  },
});

export const VCCAP_REG = defineRegister('VCCAP_REG', {
  title: 'Virtual Command Capability Register',
  offset: 0xe30,
  bytes: 8,
  source: SOURCE,
  note: 'Linux once tested bit 0 for PASID allocation, so a VMM sets all three.',
  fields: {
    NS: bit(0, 'Null Command Support', { access: 'RO', reset: 1, note: 'Command 0 exists.' }),
    PAS: bit(1, 'PASID Allocate Support', { access: 'RO', reset: 1, note: 'Command 1 exists.' }),
    FPS: bit(2, 'PASID Free Support', { access: 'RO', reset: 1, note: 'Command 2 exists.' }),
    _r3: rsvdZ(63, 3),
  },
});
