/**
 * Global command, global status and root table address. VT-d 5.10 sections 11.4.4 and 11.4.5.
 *
 * One-shot command bits trigger when written as 1 and read as nothing; level bits are compared with the status register.
 * RTADDR_REG has no effect until SRTP latches it.
 */
import { address, bit, bits } from '../../../bits/field.ts';
import { defineRegister } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';

/** Translation table mode. 10b is reserved. */
export const TTM = { legacy: 0b00, scalable: 0b01, reserved: 0b10, abortDma: 0b11 } as const;

export const GCMD_REG = defineRegister('GCMD_REG', {
  title: 'Global Command Register',
  offset: 0x18,
  bytes: 4,
  source: vtd('11.4.4.1'),
  note: 'Software changes one command at a time and waits for GSTS_REG to follow.',
  fields: {
    _r0: rsvdZ(22, 0),
    CFI: bit(23, 'Compatibility Format Interrupt', {
      access: 'WO',
      note: 'Lets interrupts through that are not remappable; counts only with xAPIC destinations.',
    }),
    SIRTP: bit(24, 'Set Interrupt Remap Table Pointer', {
      access: 'WO',
      note: 'One-shot: latches IRTA_REG.',
    }),
    IRE: bit(25, 'Interrupt Remapping Enable', { access: 'WO', note: 'Needs SIRTP first.' }),
    QIE: bit(26, 'Queued Invalidation Enable', {
      access: 'WO',
      note: 'Starts the invalidation queue; clearing it resets IQH_REG.',
    }),
    WBF: bit(27, 'Write Buffer Flush', {
      access: 'WO',
      capability: 'RWBF',
      note: 'One-shot: flushes write buffers of old platforms.',
    }),
    _r28: rsvdZ(29, 28),
    SRTP: bit(30, 'Set Root Table Pointer', {
      access: 'WO',
      note: 'One-shot: latches RTADDR_REG.',
    }),
    TE: bit(31, 'Translation Enable', { access: 'WO', note: 'Needs SRTP first.' }),
  },
});

/** Command bits that act once and have no level. */
export const ONE_SHOT_COMMANDS = ['SIRTP', 'WBF', 'SRTP'] as const;

export const GSTS_REG = defineRegister('GSTS_REG', {
  title: 'Global Status Register',
  offset: 0x1c,
  bytes: 4,
  source: vtd('11.4.4.2'),
  fields: {
    _r0: rsvdZ(22, 0),
    CFIS: bit(23, 'Compatibility Format Interrupt Status', {
      access: 'RO',
      note: 'Interrupts that are not remappable pass.',
    }),
    IRTPS: bit(24, 'Interrupt Remapping Table Pointer Status', {
      access: 'RO',
      note: 'IRTA_REG has been latched.',
    }),
    IRES: bit(25, 'Interrupt Remapping Enable Status', {
      access: 'RO',
      note: 'Interrupts are remapped.',
    }),
    QIES: bit(26, 'Queued Invalidation Enable Status', {
      access: 'RO',
      note: 'The invalidation queue runs.',
    }),
    WBFS: bit(27, 'Write Buffer Flush Status', {
      access: 'RO',
      capability: 'RWBF',
      note: 'A flush is in progress.',
    }),
    _r28: rsvdZ(29, 28),
    RTPS: bit(30, 'Root Table Pointer Status', {
      access: 'RO',
      note: 'RTADDR_REG has been latched.',
    }),
    TES: bit(31, 'Translation Enable Status', { access: 'RO', note: 'DMA is remapped.' }),
  },
});

export const RTADDR_REG = defineRegister('RTADDR_REG', {
  title: 'Root Table Address Register',
  offset: 0x20,
  bytes: 8,
  source: vtd('11.4.5'),
  note: 'Nothing here takes effect before GCMD_REG.SRTP.',
  fields: {
    _r0: rsvdZ(6, 0),
    SSIRWE: bit(7, 'Second-Stage I/O Read/Write Enable', {
      access: 'RW',
      capability: 'SSIRWS',
      note: 'Second-stage rights are taken from bits 61 and 62 of the entries; not in legacy mode.',
    }),
    _r8: rsvdZ(9, 8),
    TTM: bits(11, 10, 'Translation Table Mode', {
      access: 'RW',
      values: TTM,
      note: 'Legacy tables, scalable tables with PASIDs, or no DMA at all.',
    }),
    RTA: address(63, 12, 'Root Table Address', {
      access: 'RW',
      validBits: 'HAW',
      note: 'Host physical address of the 4 KB root table.',
    }),
  },
});
