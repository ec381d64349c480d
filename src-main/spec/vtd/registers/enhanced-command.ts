/**
 * Enhanced commands: a command register, its operands and its response. VT-d 5.10 section 11.4.14.
 *
 * All commands defined today control performance monitoring. Commands written while ECRSP_REG.IP=1 are dropped.
 */
import { bit, bits, wide } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';

const SOURCE = vtd('11.4.14');

export const ENHANCED_COMMAND = {
  enableCounter: 0xf0,
  disableCounter: 0xf1,
  resetCounterConfiguration: 0xf2,
  resetCounterValues: 0xf3,
  freezeCounters: 0xf4,
  unfreezeCounters: 0xf5,
} as const;

/** Values from 16 on are specific to the command. */
export const ENHANCED_STATUS = { success: 0, undefinedCommand: 1, aborted: 2 } as const;

export const ECMD_REG = defineRegister('ECMD_REG', {
  title: 'Enhanced Command Register',
  offset: 0x400,
  bytes: 8,
  source: SOURCE,
  note: 'Acts on the write that contains CMD.',
  fields: {
    CMD: bits(7, 0, 'Command', { access: 'WO', values: ENHANCED_COMMAND, note: 'What to do.' }),
    _r8: rsvdZ(15, 8),
    OA: wide(63, 16, 'Operand A', { access: 'WO', note: 'Counter number of counter commands.' }),
  },
});

export const ECEO_REG = defineRegister('ECEO_REG', {
  title: 'Enhanced Command Extended Operand Register',
  offset: 0x408,
  bytes: 8,
  source: SOURCE,
  fields: { OB: wide(63, 0, 'Operand B', { access: 'WO', note: 'Written before the command.' }) },
});

export const ECRSP_REG = defineRegister('ECRSP_REG', {
  title: 'Enhanced Command Response Register',
  offset: 0x410,
  bytes: 8,
  source: SOURCE,
  fields: {
    IP: bit(0, 'In Progress', { access: 'RO', note: 'A command runs.' }),
    SC: bits(7, 1, 'Status Code', { access: 'RO', values: ENHANCED_STATUS, note: 'How it ended.' }),
    _r8: rsvdZ(15, 8),
    RSLT: wide(63, 16, 'Result', { access: 'RO', note: 'What the command returned.' }),
  },
});

function reservedRegister(name: string, title: string, offset: number) {
  return defineRegister(name, {
    title,
    offset,
    bytes: 8,
    source: SOURCE,
    fields: { _r0: rsvdZ(63, 0) },
  });
}

export const ECSTS0_REG = reservedRegister(
  'ECSTS0_REG',
  'Enhanced Command Status Register 0',
  0x420,
);
export const ECSTS1_REG = reservedRegister(
  'ECSTS1_REG',
  'Enhanced Command Status Register 1',
  0x428,
);
export const ECCAP0_REG = reservedRegister(
  'ECCAP0_REG',
  'Enhanced Command Capability Register 0',
  0x430,
);
export const ECCAP1_REG = reservedRegister(
  'ECCAP1_REG',
  'Enhanced Command Capability Register 1',
  0x438,
);
export const ECCAP2_REG = reservedRegister(
  'ECCAP2_REG',
  'Enhanced Command Capability Register 2',
  0x440,
);

/** Bit n of the four capability registers together stands for command n. */
export const ECCAP3_REG = defineRegister('ECCAP3_REG', {
  title: 'Enhanced Command Capability Register 3',
  offset: 0x448,
  bytes: 8,
  source: SOURCE,
  fields: {
    _r0: rsvdZ(47, 0),
    ECNTS: bit(48, 'Enable Counter Support', { access: 'RO', note: 'Command F0h exists.' }),
    DCNTS: bit(49, 'Disable Counter Support', { access: 'RO', note: 'Command F1h exists.' }),
    RCNTCFGS: bit(50, 'Reset Counter Configuration Support', {
      access: 'RO',
      note: 'Command F2h exists.',
    }),
    RCNTS: bit(51, 'Reset Counter Values Support', { access: 'RO', note: 'Command F3h exists.' }),
    FCNTS: bit(52, 'Freeze Counters Support', { access: 'RO', note: 'Command F4h exists.' }),
    UFCNTS: bit(53, 'Unfreeze Counters Support', { access: 'RO', note: 'Command F5h exists.' }),
    _r54: rsvdZ(63, 54),
  },
});
